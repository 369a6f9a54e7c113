"""Values that a tenant knows, as keyed digests of their forms, and where they stand in a text.

A value in words (a name, an address) has one form per way of writing it: "Ann Maria Lee" is also "Ann Lee", "Lee, Ann"
and "A. Lee". A compact value (a number, an e-mail address) is its letters and digits, whatever stands between them.
Case, accents and spacing never matter; nothing is guessed.

A text is looked up word by word: only where the digest of a beginning is known are longer runs digested at all.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, repeat
from typing import TypeAlias

from rag.privacy.faces import TITLES
from rag.privacy.findings import Finding
from rag.privacy.keys import TenantKeys, keyed_digest

Lengths: TypeAlias = tuple[int, ...]

WORDS_MAX = 16
CHARS_MAX = 200
COMPACT_MIN = 4
START_CHARS = 4
SHORT_DIGITS = 8
"""Fewer digits than this count only where they stand together: `12 34` is not the number `1234`."""
REGION_CHARS = 640
"""More than the longest value takes, however it is spaced and accented."""
REMEMBERED_MAX = 200_000
"""Beginnings of which is remembered whether a value begins so."""
_WORD_CHARS_MAX = 64
_WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*|['\u2019](?=[^\W_])[^\W_]+)*")
_SPLIT = re.compile(f"({_WORD.pattern})")
_SPLIT_SIMPLE = re.compile(r"([^\W_]+)")
_IN_WORD = re.compile("['\u2019\u0300-\u036f]")
_GAP = re.compile(r"[^\w\n]{0,3}\n?[^\w\n]{0,3}|_")
_COMPACT_GAP = re.compile(r"[^\w\n,;|]{0,3}|_")
_POSSESSIVE = re.compile(r"['\u2019][sS]$")
_FAMILY_BEGINS = frozenset(
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
    words = [fold(word[0]) for word in _WORD.finditer(value)]
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
        family = next((n for n, word in enumerate(kept) if n and word in _FAMILY_BEGINS), len(kept) - 1)
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
    return Form(kind, length, _start_digest(key, kind, start), _digest(key, kind, whole))


def _start_digest(key: bytes, kind: Kind, start: str) -> bytes:
    group = b"start of words" if kind in (Kind.WORDS, Kind.INITIALS) else b"start compact"
    return hashlib.blake2b(start.encode("utf-8", "replace"), digest_size=8, key=key, person=group).digest()


def _digest(key: bytes, kind: Kind, whole: str) -> bytes:
    # Words and initials share a digest: one look-up tells of both.
    group = b"w" if kind is Kind.INITIALS else kind.value.encode()
    return hashlib.blake2b(whole.encode("utf-8", "replace"), digest_size=16, key=key, person=group).digest()


def fold(word: str) -> str:
    """A word without case, accents, apostrophes and possessive."""
    if word.isascii() and word.isalnum():
        return word.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", _POSSESSIVE.sub("", word)).casefold())
    return "".join(char for char in plain if char.isalnum() and not unicodedata.combining(char))


class _Words:
    """A text in words, `pieces[2n + 1]` being word n and the rest what stands between them; and the words folded.

    Made by few calls over the whole text: a step for each word would cost more than all that is looked up.
    """

    __slots__ = ("folded", "joined", "offsets", "pieces", "places")

    def __init__(self, text: str) -> None:
        self.pieces: list[str] = (_SPLIT if _IN_WORD.search(text) else _SPLIT_SIMPLE).split(text)
        words = self.pieces[1::2]
        # No word holds a line break.
        self.folded = "\n".join(words).lower().split("\n") if words else []
        if not text.isascii() or "'" in text:
            special = {word for word in set(words) if not (word.isascii() and word.isalnum())}
            self.folded = [
                _folded(word) if word in special else lower for word, lower in zip(words, self.folded, strict=True)
            ]
        self.places = list(accumulate(map(len, self.pieces), initial=0))
        self.offsets: list[int] = []
        self.joined = ""

    def join(self) -> list[str]:
        """Join the words for compact values, and return what begins at each of them."""
        self.joined = "".join(self.folded)
        self.offsets = list(accumulate(map(len, self.folded), initial=0))
        return [self.joined[place : place + START_CHARS] for place in self.offsets[:-1]]

    def span(self, first: int, last: int) -> tuple[int, int]:
        return self.places[2 * first + 1], self.places[2 * last + 2]

    def joins(self, first: int, last: int, gap: "re.Pattern[str]") -> bool:
        # Most often it is one space: asked first, as a pattern costs ten times as much.
        return all(
            between == " " or gap.fullmatch(between) for between in self.pieces[2 * first + 2 : 2 * last + 1 : 2]
        )


def _folded(word: str) -> str:
    """A longer run is no word of anybody's."""
    return fold(word) if len(word) <= _WORD_CHARS_MAX else ""


def never(word: str) -> bool:
    """No word is doubtful."""
    return False


class KnownForms:
    """Finds known forms in texts. Holds digests only; safe to share between threads."""

    def __init__(
        self,
        key: bytes,
        forms: Iterable[tuple[Form, str]],
        *,
        score: float = 1.0,
        is_everyday: Callable[[str], bool] = never,
    ) -> None:
        """`forms` with the entity of each. Words of which `is_everyday` are names only where they have a capital."""
        self._key = key
        self._score = score
        self._is_everyday = is_everyday
        self._entities: dict[Kind, dict[bytes, str]] = {kind: {} for kind in Kind}
        self._in_capitals = self._entities[Kind.INITIALS]
        self._written = self._entities[Kind.WORDS]
        words: defaultdict[bytes, set[int]] = defaultdict(set)
        compact: defaultdict[bytes, set[int]] = defaultdict(set)
        for form, entity in forms:
            self._entities[form.kind].setdefault(form.digest, entity)
            (words if form.kind in (Kind.WORDS, Kind.INITIALS) else compact)[form.start].add(form.length)
        self._words = _descending(words)
        self._compact = _descending(compact)
        self._begins: dict[int, Lengths] = {}
        self._compact_begins: dict[int, Lengths] = {}
        self._chunks: dict[int, bool] = {}

    def __len__(self) -> int:
        return sum(map(len, self._entities.values()))

    def find(self, text: str) -> list[Finding]:
        """Where known values stand, the longest at each place. Linear in the text."""
        if not (self._words or self._compact):
            return []
        found: list[Finding] = []
        for start, end in [(0, len(text))] if self._compact else self._regions(text):
            for one in self._in_region(text[start:end]):
                found.append(Finding(one.start + start, one.end + start, one.entity, one.score))
        return found

    def _regions(self, text: str) -> Iterator[tuple[int, int]]:
        """The parts of a text in which a name can stand: in most there is none, and spaces are found quickly."""
        chunks = text.split(" ")
        hashes = list(map(hash, chunks))
        known = list(map(self._chunks.get, hashes))
        if None in known:
            self._chunks = chunk_known = self._chunks if len(self._chunks) < REMEMBERED_MAX else {}
            for number in {one: number for number, one in enumerate(hashes) if one not in chunk_known}.values():
                chunk_known[hashes[number]] = any(self._lengths_of(Kind.WORDS, _Words(chunks[number]).folded))
            known = [chunk_known[one] for one in hashes]
        places = list(accumulate(map(len, chunks), initial=0)) if True in known else []
        first, last = 0, 0
        for number in [number for number, begins in enumerate(known) if begins]:
            start = places[number] + number
            if start > last:
                yield first, last
                first = start
            # To the next space: no word is cut.
            stop = text.find(" ", max(start, last, start + REGION_CHARS))
            last = len(text) if stop < 0 else stop
        yield first, last

    def _in_region(self, text: str) -> Iterator[Finding]:
        words = _Words(text)
        by_word = self._lengths_of(Kind.WORDS, words.folded)
        by_start = self._lengths_of(Kind.COMPACT, words.join()) if self._compact else repeat((), len(by_word))
        beginnings = [(n, *both) for n, both in enumerate(zip(by_word, by_start, strict=True)) if both[0] or both[1]]
        done = 0
        for number, lengths, compact in beginnings:
            if number < done:
                continue
            hit = self._in_words(words, number, lengths) if lengths else None
            if compact:
                # The longer of the two; a name where both are of one length.
                other = self._in_compact(words, number, compact)
                hit = other if hit is None or (other is not None and other[0] > hit[0]) else hit
            if hit is not None:
                done = number + hit[0]
                start, end = words.span(number, done - 1)
                if text[end - 1] in "sS" and (possessive := _POSSESSIVE.search(text, max(start, end - 2), end)):
                    end = possessive.start()
                yield Finding(start, end, hit[1], self._score)

    def _lengths_of(self, kind: Kind, starts: Sequence[str]) -> list[Lengths]:
        """The lengths of what begins with each of them. Remembered by Python's hash, which is keyed anew in each
        process: no word of a text is kept."""
        remembered = self._begins if kind is Kind.WORDS else self._compact_begins
        if len(remembered) >= REMEMBERED_MAX:
            remembered = {}
        hashes = list(map(hash, starts))
        known = list(map(remembered.get, hashes))
        if None in known:
            for number in {one: number for number, one in enumerate(hashes) if known[number] is None}.values():
                digest = _start_digest(self._key, kind, starts[number])
                forms = self._words if kind is Kind.WORDS else self._compact
                remembered[hashes[number]] = forms.get(digest, ())
        if kind is Kind.WORDS:
            self._begins = remembered
        else:
            self._compact_begins = remembered
        return [remembered[one] for one in hashes]

    def _in_words(self, words: _Words, first: int, lengths: Lengths) -> tuple[int, str] | None:
        for length in lengths:
            last = first + length - 1
            if last >= len(words.folded) or not words.joins(first, last, _GAP):
                continue
            whole = " ".join(words.folded[first : last + 1])
            digest = _digest(self._key, Kind.WORDS, whole)
            entity = self._written.get(digest)
            if entity is not None and (entity != "PERSON" or self._is_written(words, first, last)):
                return length, entity
            entity = self._in_capitals.get(digest)
            if entity is not None and self._has_capitals(words, first, last):
                return length, entity
        return None

    def _in_compact(self, words: _Words, first: int, lengths: Lengths) -> tuple[int, str] | None:
        place = words.offsets[first]
        for length in lengths:
            last = first
            while last + 1 < len(words.folded) and words.offsets[last + 1] < place + length:
                last += 1
            if words.offsets[last + 1] != place + length or not words.joins(first, last, _COMPACT_GAP):
                continue
            whole = words.joined[place : place + length]
            if whole.isdigit() and length < SHORT_DIGITS and last > first:
                continue
            mail = any("@" in between for between in words.pieces[2 * first + 2 : 2 * last + 1 : 2])
            kind = Kind.MAIL if mail else Kind.COMPACT
            entity = self._entities[kind].get(_digest(self._key, kind, whole))
            if entity is not None:
                return last - first + 1, entity
        return None

    def _is_written(self, words: _Words, first: int, last: int) -> bool:
        """A name in small letters that consists of everyday words is none, nor is a single word without a capital."""
        if any(word[0].isupper() for word in words.pieces[2 * first + 1 : 2 * last + 2 : 2]):
            return True
        return first < last and not all(map(self._is_everyday, words.folded[first : last + 1]))

    def _has_capitals(self, words: _Words, first: int, last: int) -> bool:
        """Initials and surname in capitals; `A` and `I` are words where no full stop follows."""
        for place in range(2 * first + 1, 2 * last + 2, 2):
            word, behind = words.pieces[place], words.pieces[place + 1]
            if word.casefold() in _FAMILY_BEGINS:
                continue
            if not word[0].isupper() or (word in ("A", "I") and not behind.startswith(".")):
                return False
        return True


def _descending(lengths: Mapping[bytes, set[int]]) -> dict[bytes, tuple[int, ...]]:
    return {start: tuple(sorted(known, reverse=True)) for start, known in lengths.items()}
