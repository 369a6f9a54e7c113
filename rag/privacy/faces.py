"""The two faces of a value.

*Reading face*: an unambiguous token, `<PERSON_8K2M...>`, in what is stored, prompted, shown and cited.
*Index face*: bare pseudo-words, in what is embedded and lexically indexed, and into which a question is turned.
A name has one word per part, so that a surname alone meets the full name; the local part of an e-mail address has
the same words as the name it is made of. Brackets, labels and hexadecimal digits were measured to destroy search.

Both are keyed digests: equal values look equal within a tenant, and different in another one.
"""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
import tldextract

from rag.privacy.keys import keyed_digest

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""32 characters that are not mistaken for each other: no I, L, O, U."""
TOKEN_DIGITS = 16
"""80 bits: among a million values of one tenant, two collide with a chance of 4 in 10^13."""
TOKEN = re.compile(rf"<([A-Z][A-Z0-9_]{{1,40}})_([{DIGITS}]{{{TOKEN_DIGITS}}})>")

CONSONANTS = "bdfghjklmnprstvwyz"
VOWELS = "aeiou"
NAME_SYLLABLES = 3
ID_SYLLABLES = 5
"""Numbers are many and need not read like names: 90^5 words."""

TITLES = frozenset(
    {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "dame", "lord", "lady", "madam", "rev", "fr"}
    | {"capt", "captain", "judge", "hon", "herr", "frau", "mme", "monsieur", "madame", "phd", "md", "jr", "sr", "esq"}
)
PHONE_REGIONS = ("US", "GB", "DE", "FR", "IN", "AU", "IE", "NL", "ES", "IT")
"""Tried in this order for numbers without a country code."""

NAME_ENTITIES = frozenset({"PERSON", "LOCATION"})
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class FaceMaker:
    """Makes both faces for one tenant. Deterministic and safe to share between threads."""

    token_key: bytes
    word_key: bytes
    domains: tldextract.TLDExtract

    def __repr__(self) -> str:
        return "FaceMaker()"

    def token(self, entity: str, original: str) -> str:
        """The reading face of a value."""
        digest = keyed_digest(self.token_key, entity, normalise(entity, original))
        number = int.from_bytes(digest[: TOKEN_DIGITS * 5 // 8])
        digits = (DIGITS[(number >> shift) & 31] for shift in range(TOKEN_DIGITS * 5 - 5, -1, -5))
        return f"<{entity}_{''.join(digits)}>"

    def words(self, entity: str, original: str) -> str:
        """The index face of a value: never empty, made of letters and spaces (and a readable mail domain)."""
        if entity in NAME_ENTITIES:
            parts = name_parts(original)
            if parts:
                return " ".join(self._word(part, NAME_SYLLABLES) for part in parts)
        if entity == "EMAIL_ADDRESS" and "@" in original:
            return self._email(original)
        return self._word(normalise(entity, original), ID_SYLLABLES)

    def _email(self, original: str) -> str:
        local, _, domain = original.rpartition("@")
        parts = name_parts(re.sub(r"[._+\-\d]+", " ", local)) or [local.casefold()]
        words = [self._word(part, NAME_SYLLABLES) for part in parts]
        company = self._company(domain.casefold())
        # "ann@annlee.com": there the domain is the name.
        if not company or any(part in company for part in parts if len(part) > 2):
            company = self._word(company or domain.casefold(), NAME_SYLLABLES)
        return " ".join([*words, company])

    def _company(self, domain: str) -> str:
        """The readable words of a domain: `meridian freight` of `mail.meridian-freight.co.uk`."""
        found = self.domains(domain)
        labels = domain.split(".")
        label = found.domain if found.suffix else labels[max(len(labels) - 2, 0)]
        return " ".join(re.findall("[a-z]{2,}", label)) if label.isascii() else ""

    def _word(self, part: str, syllables: int) -> str:
        number = int.from_bytes(keyed_digest(self.word_key, part)[:16])
        letters: list[str] = []
        for _ in range(syllables):
            number, consonant = divmod(number, len(CONSONANTS))
            number, vowel = divmod(number, len(VOWELS))
            letters += (CONSONANTS[consonant], VOWELS[vowel])
        return "".join(letters).capitalize()


def offline_domains() -> tldextract.TLDExtract:
    """Splits domains with the suffix list that the package carries: without this it asks the network."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)


def normalise(entity: str, original: str) -> str:
    """What makes two spellings one value: the case and spacing of a name, the punctuation of a number."""
    text = " ".join(unicodedata.normalize("NFKC", original).casefold().split())
    if entity == "PHONE_NUMBER":
        return _phone(text)
    if entity in {"CREDIT_CARD", "US_SSN", "IBAN_CODE", "UK_NINO", "UK_NHS", "EMPLOYEE_ID", "ID_NUMBER"}:
        return "".join(filter(str.isalnum, text)) or text
    if entity in {"SECRET", "LITERAL"}:
        # Case carries meaning here, and two secrets must not open each other.
        return original
    return text


def _phone(text: str) -> str:
    for region in (None, *PHONE_REGIONS):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if region is None or phonenumbers.is_valid_number(number):
            extension = f"x{number.extension}" if number.extension else ""
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) + extension
    return "".join(filter(str.isalnum, text)) or text


def name_parts(name: str) -> list[str]:
    """The parts of a name that get a word each: no titles, no initials (unless there is nothing else).

    Accents and apostrophes are dropped, so that "O'Brien" and "José" meet their mail addresses.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    text = "".join(char for char in text if not unicodedata.combining(char))
    words = [re.sub("['\u2019]", "", re.sub("['\u2019]s$", "", word)) for word in _WORD.findall(text)]
    words = [word for word in words if word not in TITLES] or words
    return [word for word in words if len(word) > 1] or words
