"""How rules are written: regular expressions over normalised text that can match only a bounded stretch of it."""

import re
from dataclasses import dataclass, field

from rag.injection.findings import Code

WIDTH_MAX = 600
"""The longest stretch that a rule may match: windows overlap by as much, so that none can be cut in two."""

_WORD = r"\S{0,30}[^\s.!?]\s"
"""A dot within a word ends no sentence: `report.csv`."""


def gap(words: int) -> str:
    """At most so many words, all of one sentence."""
    return rf"(?:{_WORD}){{0,{words}}}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of speaking to a model.

    `needs` are words of which a text must have one from each set before the expression is tried at all: most texts
    have none, and are read only once.
    """

    code: Code
    name: str
    expression: re.Pattern[str] = field(repr=False)
    needs: tuple[frozenset[str], ...] = ()

    def may_match(self, words: frozenset[str]) -> bool:
        return all(not need.isdisjoint(words) for need in self.needs)


def rule(code: Code, name: str, expression: str, *needs: str) -> Rule:
    """`needs` are blank separated words each. Text is lower case: expressions are too. A blank is a line break, too."""
    return Rule(
        code, name, re.compile(expression.replace(" ", r"\s"), re.M), tuple(frozenset(need.split()) for need in needs)
    )
