"""Patterns of a company's own numbers: a small, bounded part of regular expressions, so that none can run away.

    ACM-\\d{6}     (?:E|EMP)-?\\d{3,8}     [A-Z]{2}\\d{7}

Characters, classes, groups, `|`, `?` and `{m,n}`; nothing that repeats without an end, looks around or refers back.
The number of ways in which a pattern can match at one place is counted and limited: with it, the time per character.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rag.privacy.findings import Finding

PATTERN_CHARS_MAX = 200
MATCH_CHARS_MIN = 3
MATCH_CHARS_MAX = 64
WAYS_MAX = 200
PATTERNS_MAX = 20
SCORE = 0.95
_ESCAPED = frozenset("dw") | frozenset(".-_/\\+*?()[]{}|#: ")
_CLASS = re.compile(r"\[(?:[A-Za-z0-9_./#: -]|\\[dw.\\/-])+\]")
_COUNT = re.compile(r"\{(\d{1,3})(?:,(\d{1,3}))?\}")
_LITERAL = re.compile(r"[A-Za-z0-9_/#: -]|[^\W_]")


class BadPattern(ValueError):
    """A pattern that is not taken; the message says why."""


@dataclass(frozen=True, slots=True)
class _Size:
    """Shortest and longest match, and in how many ways a match may come about."""

    least: int
    most: int
    ways: int
    varies: bool = False

    def then(self, other: "_Size") -> "_Size":
        return _Size(
            self.least + other.least, self.most + other.most, self.ways * other.ways, self.varies or other.varies
        )


class _Reader:
    """Reads a pattern from left to right. One level of calls for each group, of which there are few."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0

    def read(self) -> _Size:
        size = self._either(0)
        if self._place < len(self._pattern):
            raise BadPattern("a closing bracket without an opening one")
        return size

    def _either(self, depth: int) -> _Size:
        if depth > 4:
            raise BadPattern("groups are nested more than four deep")
        sizes = [self._sequence(depth)]
        while self._take("|"):
            sizes.append(self._sequence(depth))
        varies = len(sizes) > 1 or sizes[0].varies
        ways = sum(size.ways for size in sizes)
        return _Size(min(s.least for s in sizes), max(s.most for s in sizes), ways, varies)

    def _sequence(self, depth: int) -> _Size:
        size = _Size(0, 0, 1)
        while self._place < len(self._pattern) and self._pattern[self._place] not in "|)":
            size = size.then(self._repeated(self._one(depth)))
            if size.ways > WAYS_MAX or size.most > 10 * MATCH_CHARS_MAX:
                raise BadPattern(f"it can match in more than {WAYS_MAX} ways; write it more exactly")
        return size

    def _one(self, depth: int) -> _Size:
        if self._take("(?:") or self._take("("):
            if self._pattern[self._place : self._place + 1] == "?":
                raise BadPattern("only plain groups are taken: no flags, no looking ahead or back")
            inner = self._either(depth + 1)
            if not self._take(")"):
                raise BadPattern("a group is not closed")
            return inner
        if found := _CLASS.match(self._pattern, self._place):
            self._place = found.end()
            return _Size(1, 1, 1)
        if self._take("\\"):
            if self._pattern[self._place : self._place + 1] not in _ESCAPED or self._place >= len(self._pattern):
                raise BadPattern(r"after a backslash only d, w or a sign may stand")
            self._place += 1
            return _Size(1, 1, 1)
        if not _LITERAL.match(self._pattern, self._place):
            sign = self._pattern[self._place]
            raise BadPattern(f"the sign {sign!r} is not taken here; \\{sign} stands for itself" if sign in ".+*" else
                             f"the sign {sign!r} is not taken here")  # fmt: skip
        self._place += 1
        return _Size(1, 1, 1)

    def _take(self, mark: str) -> bool:
        if not self._pattern.startswith(mark, self._place):
            return False
        self._place += len(mark)
        return True

    def _repeated(self, size: _Size) -> _Size:
        least, most = 1, 1
        if self._take("?"):
            least = 0
        elif found := _COUNT.match(self._pattern, self._place):
            self._place = found.end()
            least, most = int(found[1]), int(found[2] or found[1])
        elif self._pattern[self._place : self._place + 1] in ("*", "+", "{") and self._place < len(self._pattern):
            raise BadPattern("a repetition needs an end: write {1,8} instead of + or *")
        if least > most or most > MATCH_CHARS_MAX:
            raise BadPattern(f"a repetition is at most {MATCH_CHARS_MAX} long, its smaller number first")
        if least != most and most > 1 and size.varies:
            raise BadPattern("a repetition inside a repetition is not taken")
        if self._pattern[self._place : self._place + 1] in ("?", "*", "+", "{") and self._place < len(self._pattern):
            raise BadPattern("two repetitions stand side by side")
        ways = sum(min(size.ways**count, WAYS_MAX + 1) for count in range(least, most + 1))
        return _Size(least * size.least, most * size.most, ways, size.varies or least != most)


def checked_pattern(pattern: str) -> str:
    """Return the pattern if it is taken.

    Raises:
        BadPattern: with the reason.
    """
    if len(pattern) > PATTERN_CHARS_MAX:
        raise BadPattern(f"it is longer than {PATTERN_CHARS_MAX} characters")
    size = _Reader(pattern).read()
    if size.least < MATCH_CHARS_MIN:
        raise BadPattern(f"it matches fewer than {MATCH_CHARS_MIN} characters")
    if size.most > MATCH_CHARS_MAX:
        raise BadPattern(f"it matches more than {MATCH_CHARS_MAX} characters")
    try:
        compiled = re.compile(pattern)
    except re.error as cause:
        raise BadPattern(cause.msg) from None
    if all(compiled.fullmatch(word) for word in ("company", "meeting", "project")):
        raise BadPattern("it matches any word")
    return pattern


class CompanyPatterns:
    """Finds what the patterns of a tenant describe, where it stands by itself."""

    def __init__(self, patterns: Iterable[tuple[str, Sequence[str]]]) -> None:
        self._patterns = [
            (entity, re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")) for entity, some in patterns for pattern in some
        ]

    def find(self, text: str) -> list[Finding]:
        return list(self._find(text))

    def _find(self, text: str) -> Iterator[Finding]:
        for entity, pattern in self._patterns:
            for match in pattern.finditer(text):
                yield Finding(match.start(), match.end(), entity, SCORE)
