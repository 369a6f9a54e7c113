"""Values that a tenant knows, as keyed digests of their forms.

A value in words (a name, an address) has one form per way of writing it: "Ann Maria Lee" is also "Ann Lee", "Lee, Ann"
and "A. Lee". A compact value (a number, an e-mail address) is its letters and digits, whatever stands between them.
Case, accents and spacing never matter; nothing is guessed. `known_forms` finds them in texts.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rag.privacy.faces import TITLES
from rag.privacy.keys import TenantKeys, keyed_digest

WORDS_MAX = 16
CHARS_MAX = 200
COMPACT_MIN = 4
START_CHARS = 4
WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*|['\u2019](?=[^\W_])[^\W_]+)*")
POSSESSIVE = re.compile(r"['\u2019][sS]$")
FAMILY_BEGINS = frozenset(
    {"de", "del", "della", "di", "da", "dos", "van", "von", "der", "den", "ter", "ten", "la", "le", "bin", "al", "el"}
)
"""With these a family name begins. A list of its own: that of the recognizers is imported with their models."""
_IN_WORDS = frozenset({"PERSON", "LOCATION", "PLACE", "TITLE"})


def known_values_key(keys: TenantKeys) -> bytes:
    """The key of what digests the values of directories and configurations."""
    return keyed_digest(keys.digests, "known values")


class Kind(StrEnum):
    """How a form is compared."""

    WORDS = "w"
    INITIALS = "i"
    """Words some of which are initials: these and the words beside them stand in capitals."""
    COMPACT = "c"
    MAIL = "m"


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing a value: digests of its beginning and of all of it. `length`: words, or characters."""

    kind: Kind
    length: int
    start: bytes
    digest: bytes

    @property
    def text(self) -> str:
        return f"{self.kind}.{self.length}.{self.start.hex()}.{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Form":
        """Raises ValueError where the text is no form."""
        kind, length, start, digest = text.split(".")
        form = cls(Kind(kind), int(length), bytes.fromhex(start), bytes.fromhex(digest))
        if not 1 <= form.length <= CHARS_MAX or len(form.start) != 8 or len(form.digest) != 16:
            raise ValueError("not a form")
        return form


class Unusable(ValueError):
    """A value that cannot be known; the message says why, never what."""


def forms_of(key: bytes, entity: str | None, value: str, *, variants: bool = False) -> tuple[Form, ...]:
    """The forms of a value; with `variants`, those in which a full name is written as well.

    Raises:
        Unusable: too short, too long, or not of its kind.
    """
    words = [fold(word[0]) for word in WORD.finditer(value)]
    if len(value) > CHARS_MAX or len(words) > WORDS_MAX:
        raise Unusable(f"longer than {CHARS_MAX} characters or {WORDS_MAX} words")
    if entity in _IN_WORDS or (entity is None and "@" not in value and not any(map(str.isdigit, value))):
        return tuple(_in_words(key, words, variants=variants and entity == "PERSON"))
    compact = "".join(words)
    if entity == "EMAIL_ADDRESS" and (value.count("@") != 1 or not all(value.strip().split("@"))):
        raise Unusable("no e-mail address")
    if len(compact) < COMPACT_MIN:
        raise Unusable(f"fewer than {COMPACT_MIN} letters and digits")
    kind = Kind.MAIL if "@" in value else Kind.COMPACT
    return (_form(key, kind, len(compact), compact[:START_CHARS], compact),)


def _in_words(key: bytes, words: list[str], *, variants: bool) -> Iterator[Form]:
    kept = [word for word in words if word not in TITLES] or words
    if not any(len(word) > 1 and any(map(str.isalpha, word)) for word in kept):
        raise Unusable("no word of two letters")
    written: dict[tuple[str, ...], Kind] = {tuple(kept): Kind.WORDS}
    if variants and len(kept) > 1:
        family = next((n for n, word in enumerate(kept) if n and word in FAMILY_BEGINS), len(kept) - 1)
        for run, kind in _ways(tuple(kept[:family]), tuple(kept[family:])):
            written.setdefault(run, kind)
    for run, kind in written.items():
        yield _form(key, kind, len(run), run[0], " ".join(run))


def _ways(given: tuple[str, ...], family: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Kind]]:
    """How a full name is written besides: in the other order, without middle names, with initials."""
    letters = tuple(word[0] for word in given)
    for names in dict.fromkeys((given, given[:1])):
        yield names + family, Kind.WORDS
        yield family + names, Kind.WORDS
    if any(len(word) > 1 for word in family):
        for initials in dict.fromkeys((letters, letters[:1], given[:1] + letters[1:])):
            yield initials + family, Kind.INITIALS
            yield family + initials, Kind.INITIALS


def _form(key: bytes, kind: Kind, length: int, start: str, whole: str) -> Form:
    return Form(kind, length, start_digest(key, kind, start), whole_digest(key, kind, whole))


def start_digest(key: bytes, kind: Kind, start: str) -> bytes:
    """Of what a form begins with: 8 bytes."""
    group = b"start of words" if kind in (Kind.WORDS, Kind.INITIALS) else b"start compact"
    return hashlib.blake2b(start.encode("utf-8", "replace"), digest_size=8, key=key, person=group).digest()


def whole_digest(key: bytes, kind: Kind, whole: str) -> bytes:
    """Of all of a form: 16 bytes."""
    # Words and initials share a digest: one look-up tells of both.
    group = b"w" if kind is Kind.INITIALS else kind.value.encode()
    return hashlib.blake2b(whole.encode("utf-8", "replace"), digest_size=16, key=key, person=group).digest()


def fold(word: str) -> str:
    """A word without case, accents, apostrophes and possessive."""
    if word.isascii() and word.isalnum():
        return word.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", POSSESSIVE.sub("", word)).casefold())
    return "".join(char for char in plain if char.isalnum() and not unicodedata.combining(char))
