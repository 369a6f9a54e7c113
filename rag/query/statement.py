"""A claim, and when sentences support it: its words are there, and its numbers, names, tokens and negation agree."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rag.generation.words import Content, content_of, word_set
from rag.query.agreement import Particulars, disagreement, particulars_of
from rag.query.evidence import Evidence, Read
from rag.query.objections import Objection

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
        if self.objection(sentences, around) is not None:
            return None
        return self._share(_words_of(sentences))

    def objection(self, sentences: Sequence[Read], around: Content) -> Objection | None:
        """The first thing that tells against these sentences as support, in the order of `Objection`; None: nothing."""
        claim = self.content
        if not claim.words:
            return Objection.EMPTY
        if not self._draws_on_each(sentences):
            return Objection.JOINED
        own = _words_of(sentences)
        if self._share(own | around.words) < COVERAGE_MIN or self._share(own) < OWN_COVERAGE_MIN:
            return Objection.WORDS
        told = self._other_particulars([one.content for one in sentences], own, around)
        if told not in (None, Objection.FIGURE):
            return told
        # A number that stands elsewhere is often one with another unit or bound, which says more.
        return disagreement(self.particulars, [one.particulars for one in sentences]) or told

    def _share(self, words: frozenset[str]) -> float:
        """Of its content words, which are there, 0..1."""
        return len(self.content.words & words) / len(self.content.words)

    def _draws_on_each(self, sentences: Sequence[Read]) -> bool:
        """False where a second sentence lends nothing but a name or a number: it is then about something else.

        Unless the second goes on about the first: "<PERSON_...> joined in May. She leads sales."
        """
        particular = self.content.particular | self.particulars.capitals
        for at, one in enumerate(sentences):
            others = _words_of(s for s in sentences if s is not one)
            lent = (self.content.words & one.content.words) - others
            continued = any(_goes_on(following) for following in sentences[at + 1 : at + 2])
            if len(sentences) > 1 and not (lent - particular or (lent and continued)):
                return False
        return True

    def _other_particulars(
        self, sentences: Sequence[Content], own: frozenset[str], around: Content
    ) -> Objection | None:
        claim = self.content
        numbers = around.numbers.union(*(sentence.numbers for sentence in sentences))
        opening = self.particulars.opening
        nearest = max(sentences, key=lambda sentence: len(claim.words & sentence.words))
        # Told one by one, so that the cheap ones spare the work of the others.
        if not claim.numbers <= numbers:
            return Objection.NUMBER
        if not claim.tokens <= own:
            return Objection.TOKEN
        if not claim.names <= own | around.words:
            return Objection.NAME
        if opening is not None and opening not in own | around.words:
            return Objection.SUBJECT
        if not all(any(figure.words <= sentence.words for sentence in sentences) for figure in self.figures):
            return Objection.FIGURE
        if claim.negated != nearest.negated:
            return Objection.NEGATION
        return Objection.LIMIT if claim.limits != nearest.limits else None


def _words_of(sentences: Iterable[Read]) -> frozenset[str]:
    return frozenset[str]().union(*(one.content.words for one in sentences))


def _figures(text: str) -> tuple[Content, ...]:
    """The clauses of a claim that give a number. One sentence must state each: number and what it is about.

    "A tool allowance of 9 euros" below the heading "Travel" must not support "the travel allowance is 9 euros".
    """
    return tuple(clause for part in _CLAUSE_END.split(text) if (clause := content_of(part)).numbers)


def _goes_on(sentence: Read) -> bool:
    raw = sentence.particulars.raw
    return bool(raw) and raw[0] in _PRONOUNS
