"""A claim, and when sentences support it: its words are there, and its numbers, names, tokens and negation agree."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.generation.words import Content, content_of, word_set
from rag.query.agreement import Particulars, agree, particulars_of
from rag.query.evidence import Evidence, Read

COVERAGE_MIN = 0.70
"""Share of a claim's content words that the supporting sentences and their heading must hold."""
OWN_COVERAGE_MIN = 0.50
"""Share that the sentences must hold by themselves: a heading alone supports nothing."""


_PRONOUNS = word_set("he she it they this these his her its their")
_CLAUSE_END = re.compile(r"\s+and\s+|[;,]\s+")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a claim says, read once for all passages."""

    content: Content = field(repr=False)
    figures: tuple[Content, ...] = field(repr=False)
    particulars: Particulars = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "Statement":
        return cls(content_of(text), _figures(text), particulars_of(text))

    def may_stand_in(self, evidence: Evidence) -> bool:
        """False where no sentence of the passage can support it: most passages, and cheap to tell."""
        claim, words = self.content, evidence.words
        return (
            len(claim.words & words) >= OWN_COVERAGE_MIN * len(claim.words)
            and claim.numbers <= evidence.numbers
            and claim.tokens <= words
            and claim.names <= words | evidence.around.words
        )

    def supported_by(self, sentences: Sequence[Read], around: Content) -> float | None:
        """How well the sentences together, under their heading, support it, 0..1; None when they do not."""
        claim = self.content
        if not claim.words or not self._draws_on_each(sentences):
            return None
        own = frozenset[str]().union(*(one.content.words for one in sentences))
        own_share = len(claim.words & own) / len(claim.words)
        share = len(claim.words & (own | around.words)) / len(claim.words)
        if share < COVERAGE_MIN or own_share < OWN_COVERAGE_MIN:
            return None
        supported = self._same_particulars([one.content for one in sentences], own, around)
        return own_share if supported and agree(self.particulars, [one.particulars for one in sentences]) else None

    def _draws_on_each(self, sentences: Sequence[Read]) -> bool:
        """False where a second sentence lends nothing but a name or a number: it is then about something else.

        Unless the second goes on about the first: "<PERSON_...> joined in May. She leads sales."
        """
        particular = self.content.particular | self.particulars.capitals
        for at, one in enumerate(sentences):
            others = frozenset[str]().union(*(s.content.words for s in sentences if s is not one))
            lent = (self.content.words & one.content.words) - others
            continued = any(_goes_on(following) for following in sentences[at + 1 : at + 2])
            if len(sentences) > 1 and not (lent - particular or (lent and continued)):
                return False
        return True

    def _same_particulars(self, sentences: Sequence[Content], own: frozenset[str], around: Content) -> bool:
        claim = self.content
        numbers = around.numbers.union(*(sentence.numbers for sentence in sentences))
        opening = self.particulars.opening
        if not (claim.numbers <= numbers and claim.tokens <= own and claim.names <= own | around.words):
            return False
        if opening is not None and opening not in own | around.words:
            return False
        if not all(any(figure.words <= sentence.words for sentence in sentences) for figure in self.figures):
            return False
        nearest = max(sentences, key=lambda sentence: len(claim.words & sentence.words))
        return claim.negated == nearest.negated and claim.limits == nearest.limits


def _figures(text: str) -> tuple[Content, ...]:
    """The clauses of a claim that give a number. One sentence must state each: number and what it is about.

    "A tool allowance of 9 euros" below the heading "Travel" must not support "the travel allowance is 9 euros".
    """
    return tuple(clause for part in _CLAUSE_END.split(text) if (clause := content_of(part)).numbers)


def _goes_on(sentence: Read) -> bool:
    raw = sentence.particulars.raw
    return bool(raw) and raw[0] in _PRONOUNS
