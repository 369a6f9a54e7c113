"""Where the values that a tenant knows stand in a text.

A text is looked up word by word: only where the digest of a beginning is known are longer runs digested at all.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, compress
from operator import or_
from typing import TypeAlias

from rag.privacy.findings import Finding
from rag.privacy.known_values import FAMILY_BEGINS, POSSESSIVE, Form, Kind, start_digest, whole_digest
from rag.privacy.text_words import TextWords

Lengths: TypeAlias = tuple[int, ...]

SHORT_DIGITS = 8
"""Fewer digits than this count only where they stand together: `12 34` is not the number `1234`."""
CHUNKS_PER_WORD = 8
"""A word of a name is followed by so many spaces at most, see `_GAP`."""
REMEMBERED_MAX = 200_000
"""Beginnings of which is remembered whether a value begins so."""
_GAP = re.compile(r"[^\w\n]{0,3}\n?[^\w\n]{0,3}|_")
_COMPACT_GAP = re.compile(r"[^\w\n,;|]{0,3}|_")


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
        self._any_case: set[bytes] = set()
        """With these a name begins that may stand in small letters."""
        compact: defaultdict[bytes, set[int]] = defaultdict(set)
        for form, entity in forms:
            self._entities[form.kind].setdefault(form.digest, entity)
            if form.kind is Kind.WORDS:
                self._any_case.add(form.start)
            (words if form.kind in (Kind.WORDS, Kind.INITIALS) else compact)[form.start].add(form.length)
        self._words = _descending(words)
        self._compact = _descending(compact)
        self._begins: dict[int, Lengths] = {}
        self._compact_begins: dict[int, Lengths] = {}
        self._chunks: dict[int, int] = {}

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
        reaches = list(map(self._chunks.get, hashes))
        if None in reaches:
            self._chunks = known = self._chunks if len(self._chunks) < REMEMBERED_MAX else {}
            for number in {one: number for number, one in enumerate(hashes) if one not in known}.values():
                known[hashes[number]] = self._reach(chunks[number])
            reaches = [known[one] for one in hashes]
        places = list(accumulate(map(len, chunks), initial=0))
        first = last = 0
        for number in compress(range(len(chunks)), reaches):
            if number >= last:
                if last:
                    yield places[first] + first, places[last] + last - 1
                first = number
            last = max(last, min(number + (reaches[number] or 0), len(chunks)))
        if last:
            yield places[first] + first, places[last] + last - 1

    def _reach(self, chunk: str) -> int:
        """How many chunks the names may take that begin in this one."""
        words = TextWords(chunk)
        lengths = self._lengths_of(Kind.WORDS, words.folded)
        longest = max((known[0] for n, known in enumerate(lengths) if known and self._may_begin(words, n)), default=0)
        return longest * CHUNKS_PER_WORD

    def _may_begin(self, words: TextWords, number: int) -> bool:
        """Whether a name can begin here as it is written: initials stand in capitals, and `a` is most often a word."""
        if len(words.folded[number]) > 1 or words.is_initial(number):
            return True
        return start_digest(self._key, Kind.WORDS, words.folded[number]) in self._any_case

    def _in_region(self, text: str) -> Iterator[Finding]:
        words = TextWords(text)
        by_word = self._lengths_of(Kind.WORDS, words.folded)
        by_start = self._lengths_of(Kind.COMPACT, words.join()) if self._compact else ()
        begins = map(or_, map(bool, by_word), map(bool, by_start)) if by_start else by_word
        done = 0
        for number in compress(range(len(by_word)), begins):
            if number < done:
                continue
            lengths, compact = by_word[number], by_start[number] if by_start else ()
            hit = self._in_words(words, number, lengths) if lengths and self._may_begin(words, number) else None
            if compact:
                # The longer of the two; a name where both are of one length.
                other = self._in_compact(words, number, compact)
                hit = other if hit is None or (other is not None and other[0] > hit[0]) else hit
            if hit is not None:
                done = number + hit[0]
                start, end = words.span(number, done - 1)
                if text[end - 1] in "sS" and (possessive := POSSESSIVE.search(text, max(start, end - 2), end)):
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
                digest = start_digest(self._key, kind, starts[number])
                forms = self._words if kind is Kind.WORDS else self._compact
                remembered[hashes[number]] = forms.get(digest, ())
        if kind is Kind.WORDS:
            self._begins = remembered
        else:
            self._compact_begins = remembered
        return [remembered[one] for one in hashes]

    def _in_words(self, words: TextWords, first: int, lengths: Lengths) -> tuple[int, str] | None:
        for length in lengths:
            last = first + length - 1
            if last >= len(words.folded) or not words.joins(first, last, _GAP):
                continue
            whole = " ".join(words.folded[first : last + 1])
            digest = whole_digest(self._key, Kind.WORDS, whole)
            entity = self._written.get(digest)
            if entity is not None and (entity != "PERSON" or self._is_written(words, first, last)):
                return length, entity
            entity = self._in_capitals.get(digest)
            if entity is not None and self._has_capitals(words, first, last):
                return length, entity
        return None

    def _in_compact(self, words: TextWords, first: int, lengths: Lengths) -> tuple[int, str] | None:
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
            entity = self._entities[kind].get(whole_digest(self._key, kind, whole))
            if entity is not None:
                return last - first + 1, entity
        return None

    def _is_written(self, words: TextWords, first: int, last: int) -> bool:
        """A name in small letters that consists of everyday words is none, nor is a single word without a capital."""
        if any(word[0].isupper() for word in words.pieces[2 * first + 1 : 2 * last + 2 : 2]):
            return True
        return first < last and not all(map(self._is_everyday, words.folded[first : last + 1]))

    def _has_capitals(self, words: TextWords, first: int, last: int) -> bool:
        """Initials and surname in capitals."""
        return all(
            words.pieces[2 * number + 1].casefold() in FAMILY_BEGINS or words.is_initial(number)
            for number in range(first, last + 1)
        )


def _descending(lengths: Mapping[bytes, set[int]]) -> dict[bytes, tuple[int, ...]]:
    return {start: tuple(sorted(known, reverse=True)) for start, known in lengths.items()}
