"""What gives a text away: runs of words that stand in it and nowhere else, ids, planted marks, personal values."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SHINGLE_WORDS = 5
"""Runs of five words: shorter ones occur by chance, longer ones miss short quotes."""

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9A-Za-z]{6,}>")


def shingles(text: str, size: int = SHINGLE_WORDS) -> set[str]:
    """Every run of `size` words, lower case; none reaches across the token of a masked value."""
    found: set[str] = set()
    for part in _TOKEN.split(text):
        words = [word.lower() for word in _WORD.findall(part)]
        found.update(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
    return found


@dataclass(frozen=True, slots=True)
class Section:
    """The chunks of one document that share their effective labels: what is readable or not as a whole.

    `exact` are strings that may not appear anywhere: ids and the document's planted mark.
    """

    name: str
    shingles: frozenset[str] = field(repr=False)
    exact: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trace:
    """Something of `section` in an output. `evidence` is a shingle or an exact string of invented data."""

    section: str
    evidence: str


class Detector:
    """Finds what one reader must not see. Built from all sections and the names of those she may read."""

    def __init__(self, sections: Iterable[Section], readable: Iterable[str]) -> None:
        may = frozenset(readable)
        everything = tuple(sections)
        known = frozenset().union(*(s.shingles for s in everything if s.name in may))
        known_exact = frozenset().union(*(s.exact for s in everything if s.name in may))
        self._shingles: dict[str, str] = {}
        self._exact: dict[str, str] = {}
        for section in everything:
            if section.name not in may:
                self._shingles.update(dict.fromkeys(section.shingles - known, section.name))
                self._exact.update(dict.fromkeys(section.exact - known_exact, section.name))

    @property
    def size(self) -> int:
        """How many fingerprints are looked for; 0 finds nothing."""
        return len(self._shingles) + len(self._exact)

    def traces(self, output: str, asked: str = "") -> list[Trace]:
        """What of unreadable sections is in `output`; words that the caller herself sent are not counted."""
        own = shingles(asked)
        found = [Trace(self._shingles[s], s) for s in shingles(output) & self._shingles.keys() if s not in own]
        found += [Trace(name, e) for e, name in self._exact.items() if e in output and e not in asked]
        return found


@dataclass(frozen=True, slots=True)
class Values:
    """Original personal values (e-mail addresses, account numbers) and where they stand."""

    places: Mapping[str, frozenset[str]] = field(repr=False)

    def shown(self, output: str, allowed: frozenset[str], asked: str = "") -> list[str]:
        """The values in `output` that this reader may not see in clear."""
        return [v for v in self.places if v not in allowed and v in output and v not in asked]
