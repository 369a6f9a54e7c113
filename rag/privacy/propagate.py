"""A value found once in a document is found everywhere in it.

Full names in any case and with initials (`A. Lee`); single parts of a name where they are capitalised and not an
everyday word; other values as they stand. Works across all texts of one document (title, path, body).
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from rag.privacy.faces import TITLES, name_parts
from rag.privacy.findings import Finding, resolve_overlaps
from rag.privacy.lexicon import Lexicon
from rag.privacy.people import PARTICLES
from rag.privacy.sentences import stands_out

PARTS_MAX = 6
VALUE_CHARS_MIN = 6
"""A shorter value that is no name, such as a pin, stands in too many places where it means something else."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_GAP = re.compile(r"[ \t\u00a0]{0,2}[._,]?[ \t\u00a0]{0,2}\n?[ \t]{0,4}|[-_]")
_MONTHS = frozenset({"may", "april", "june", "august", "march"})
_LOWER_WORD = re.compile(r"(?<![^\W_])[^\W\dA-Z_]+")
_START = re.compile(r"(?<!\w)\S")

_NOT_REPEATED = frozenset({"PERSON", "LOCATION", "PLACE", "TITLE", "LITERAL"})

Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class _Values:
    """Kind by value, and the lengths of the values by their first characters, the longest first.

    Looked up by length, so that many values with one beginning cost no more than one.
    """

    kinds: Mapping[str, str] = field(repr=False)
    lengths: Mapping[str, Sequence[int]] = field(repr=False)


class _Lower:
    """The words that stand in lower case somewhere: they are nouns here. Read when first asked for."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word for text in self._texts for word in _LOWER_WORD.findall(text))

    def __contains__(self, word: str) -> bool:
        return word in self._words


class KnownNames:
    """The names of one document, in the forms in which they are mentioned again."""

    def __init__(self, names: Sequence[str], lexicon: Lexicon, texts: Texts) -> None:
        self._sequences: set[tuple[str, ...]] = set()
        self._single: set[str] = set()
        self._inner: set[str] = set()
        """Names that are nouns too: taken for the name where no sentence begins."""
        self._families: set[str] = set()
        lower = _Lower(texts)
        for name in names:
            parts = tuple(part for part in _folded(name) if part not in TITLES)[:PARTS_MAX]
            if len(parts) > 1:
                self._families.add(parts[-1])
                self._sequences.add(parts)
                # "Ann Maria Lee" is also "Ann Lee", "A. Lee", "A. M. Lee" and "Ann M. Lee".
                first, last = parts[0], parts[-1]
                initials = (*(part[0] for part in parts[:-1]), last)
                for form in ((first, last), (last, first), (first[0], last), initials):
                    self._sequences.add(form)
                self._sequences.add((first, *(part[0] for part in parts[1:-1]), last))
            for part in parts:
                if len(part) < 3 or part in PARTICLES:
                    continue
                if not lexicon.may_be_word(part) or (lexicon.may_be_family_name(part) and part not in lower):
                    self._single.add(part)
                elif len(parts) > 1 and part not in _MONTHS and not lexicon.is_office(part):
                    self._inner.add(part)
        self._families &= self._single
        self._begins = {words[0] for words in self._sequences} | self._single | self._inner
        self._longest = max(map(len, self._sequences), default=1)

    def find(self, text: str) -> list[Finding]:
        words = list(_WORD.finditer(text))
        folded = [_fold(word[0]) for word in words]
        found: list[Finding] = []
        position = 0
        while position < len(words):
            part = folded[position]
            begins = part in self._begins or part.removesuffix("s") in self._families
            count = self._longest_at(text, words, folded, position) if begins else 0
            if count:
                start, end = words[position].start(), words[position + count - 1].end()
                found.append(Finding(start, end - _possessive(text, start, end), "PERSON", 0.7))
            position += max(count, 1)
        return found

    def _longest_at(self, text: str, words: list[re.Match[str]], folded: list[str], position: int) -> int:
        for count in range(min(self._longest, len(words) - position), 1, -1):
            if tuple(folded[position : position + count]) in self._sequences:
                run = words[position : position + count]
                if all(_GAP.fullmatch(text, one.end(), next_.start()) for one, next_ in pairwise(run)) and _is_name(
                    run
                ):
                    return count
        word, part = words[position], folded[position]
        if not word[0][0].isupper():
            return 0
        # "the Stoners" are the family of a Stoner.
        single = part in self._single or (part.endswith("s") and part[:-1] in self._families)
        return int(single or (part in self._inner and stands_out(text, *word.span())))


def _is_name(words: Sequence[re.Match[str]]) -> bool:
    """Whether initials are any: in capitals as their surname, or with a full stop. `a young man` is no A. Young."""
    if all(len(word[0]) > 1 or word.string.startswith(".", word.end()) for word in words):
        return True
    return all(word[0][0].isupper() or word[0] in PARTICLES for word in words)


def propagate(texts: Texts, found: Sequence[Sequence[Finding]], lexicon: Lexicon) -> list[list[Finding]]:
    """The findings of each text, with every further mention of what was found in any of them."""
    names = sorted({t[f.start : f.end] for t, fs in zip(texts, found, strict=True) for f in fs if f.entity == "PERSON"})
    names += sorted(
        {name for t, fs in zip(texts, found, strict=True) for f in fs if (name := _named_by(t, f, lexicon))}
    )
    known = KnownNames(names, lexicon, texts)
    values = _values(texts, found)
    return [
        resolve_overlaps(text, [*findings, *known.find(text), *_repeated(text, values)])
        for text, findings in zip(texts, found, strict=True)
    ]


def _named_by(text: str, finding: Finding, lexicon: Lexicon) -> str | None:
    """The name that an address is made of: `ann.lee@` names Ann Lee, `press.office@` nobody."""
    if finding.entity != "EMAIL_ADDRESS":
        return None
    local = re.sub(r"[\d+].*", "", text[finding.start : finding.end].split("@")[0])
    parts = [part for part in re.split(r"[._-]", local) if part]
    if not 2 <= len(parts) <= 4 or any(len(part) < 2 or not part.isalpha() for part in parts):
        return None
    folded = [part.casefold() for part in parts]
    if any(lexicon.is_office(part) or lexicon.is_everyday(part) for part in folded):
        return None
    return " ".join(parts)


def _values(texts: Texts, found: Sequence[Sequence[Finding]]) -> "_Values":
    kinds = {
        text[f.start : f.end]: f.entity
        for text, findings in zip(texts, found, strict=True)
        for f in findings
        if f.entity not in _NOT_REPEATED and f.end - f.start >= VALUE_CHARS_MIN
    }
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for value in kinds:
        lengths[value[:VALUE_CHARS_MIN]].add(len(value))
    return _Values(kinds, {start: sorted(known, reverse=True) for start, known in lengths.items()})


def _repeated(text: str, values: "_Values") -> list[Finding]:
    """The values where they stand again, the longest first: no value is found inside a longer one."""
    found = []
    for start in (match.start() for match in _START.finditer(text)) if values.kinds else ():
        for length in values.lengths.get(text[start : start + VALUE_CHARS_MIN], ()):
            end = start + length
            entity = values.kinds.get(text[start:end]) if end <= len(text) else None
            if entity and not (text[end : end + 1].isalnum() and text[end - 1].isalnum()):
                found.append(Finding(start, end, entity, 0.7))
                break
    return found


def _folded(name: str) -> list[str]:
    return [_fold(word) for word in _WORD.findall(name)]


def _fold(word: str) -> str:
    if word.isascii() and word.isalnum():
        return word.lower()
    return (name_parts(word) or [word.casefold()])[0]


def _possessive(text: str, start: int, end: int) -> int:
    found = re.search(r"['\u2019][sS]$", text[start:end])
    return len(found[0]) if found else 0
