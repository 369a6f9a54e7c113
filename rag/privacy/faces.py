"""The two faces of a value.

*Reading face*: an unambiguous token, `<PERSON_8K2M...>`, in what is stored, prompted, shown and cited.
*Index face*: bare pseudo-words, in what is embedded and lexically indexed, and into which a question is turned.
A name has one word per part, so that a surname alone meets the full name, and one for its initial with its family
name, so that "A. Lee" meets Ann Lee before Bob Lee; the local part of an e-mail address has the same words as the
name it is made of. Brackets, labels and hexadecimal digits were measured to destroy search.

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

REDACTION = re.compile(r"<([A-Z][A-Z0-9_]{1,40})_REDACTED>")
"""What stands for a redacted value. Never a token: its last part has not the length of one."""

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

    def name_words(self, name: str) -> list[tuple[str, str]]:
        """Of a person's name, the words that have a token of their own, with it; none of a name of one word."""
        words = name.split()
        bare = [word.strip(".,'\u2019") for word in words if len(words) > 1]
        return [(self.token("PERSON", word), word) for word in bare if len(word) > 1 and name_parts(word)]

    def words(self, entity: str, original: str) -> str:
        """The index face of a value: never empty, made of letters and spaces (and a readable mail domain)."""
        if entity in NAME_ENTITIES:
            initial = self._initial(original) if entity == "PERSON" else []
            return " ".join([*initial, *self.part_words(original)])
        if entity == "EMAIL_ADDRESS" and "@" in original:
            return self._email(original)
        return self._word(normalise(entity, original), syllables=ID_SYLLABLES)

    def part_words(self, name: str) -> list[str]:
        """One word for each part of a name, never none: the index face without the word of its initial."""
        parts = name_parts(name) or [name.casefold()]
        if all(map(_is_initial, parts)):
            # Initials alone: one word for all of them, and the same one for every single letter.
            parts = ["".join(parts) if len(parts) > 1 else ""]
        return [self._word(part) for part in parts]

    def _initial(self, name: str) -> list[str]:
        """The word of a name's initial and family name, if it has both: "Ann Lee" and "A. Lee" share it.

        To whoever reads index faces it tells that two people of one family name begin with the same letter. A bare
        initial has no word: there are so few letters that counting their words would tell which is which.
        """
        found = initial_and_family(name)
        return [self._word("initial", *found)] if found else []

    def _email(self, original: str) -> str:
        local, _, domain = original.rpartition("@")
        name = re.sub(r"[._+\-\d]+", " ", local)
        if all(map(_is_initial, name_parts(name))):
            name = local
        company = self._company(domain.casefold())
        # "ann@annlee.com": there the domain is the name.
        if not company or any(part in company for part in name_parts(name) if len(part) > 2):
            company = self._word(company or domain.casefold())
        return " ".join([*self._initial(name), *self.part_words(name), company])

    def _company(self, domain: str) -> str:
        """The readable words of a domain: `meridian freight` of `mail.meridian-freight.co.uk`."""
        found = self.domains(domain)
        labels = domain.split(".")
        label = found.domain if found.suffix else labels[max(len(labels) - 2, 0)]
        return " ".join(re.findall("[a-z]{2,}", label)) if label.isascii() else ""

    def _word(self, *digested: str, syllables: int = NAME_SYLLABLES) -> str:
        number = int.from_bytes(keyed_digest(self.word_key, *digested)[:16])
        letters: list[str] = []
        for _ in range(syllables):
            number, consonant = divmod(number, len(CONSONANTS))
            number, vowel = divmod(number, len(VOWELS))
            letters += (CONSONANTS[consonant], VOWELS[vowel])
        return "".join(letters).capitalize()


def redaction(entity: str) -> str:
    """The reading face of a redacted value: the same for all of its kind."""
    return f"<{entity}_REDACTED>"


def kind_in_words(entity: str) -> str:
    """The index face of a redacted value: what it is, so that a sentence around it reads as one."""
    return entity.replace("_", " ").lower()


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
    words = _name_words(name)
    return [word for word in words if len(word) > 1] or words


def initial_and_family(name: str) -> tuple[str, str] | None:
    """The first letter of the given name and the family name: a, lee of "Ann Maria Lee", "A. Lee" and "Lee, A.".

    The family name is the last word, or the last one in front of a comma or of initials. None where one is missing.
    """
    before, comma, behind = name.partition(",")
    family, given = _name_words(before), _name_words(behind)
    if not comma or not given:
        words = family
        last = next((n for n in range(len(words) - 1, -1, -1) if len(words[n]) > 1), -1)
        family, given = words[: last + 1], words[last + 1 :] or words[:last]
    return (given[0][0], family[-1]) if given and family and len(family[-1]) > 1 else None


def _is_initial(word: str) -> bool:
    """One letter, of a script that has capitals: in others a letter may be a name."""
    return len(word) == 1 and word.upper() != word


def _name_words(name: str) -> list[str]:
    """The words of a name without case, accents and apostrophes; without titles, unless there is nothing else."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    text = "".join(char for char in text if not unicodedata.combining(char))
    words = [re.sub("['\u2019]", "", re.sub("['\u2019]s$", "", word)) for word in _WORD.findall(text)]
    return [word for word in words if word not in TITLES] or words
