"""A given passage as claims are held against it: cut and read once per answer, and only when a claim needs it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from rag.domain import ReadableChunk, Span
from rag.generation.sentences import Kind, Sentence, split_sentences
from rag.generation.words import Content, content_of
from rag.query.agreement import Particulars, particulars_of
from rag.query.guard import gives_orders
from rag.query.prompt import Given, heading_of

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Support:
    """Where a claim was found to stand: `span` counts in the version's text."""

    source: ReadableChunk
    span: Span

    @property
    def quote(self) -> str:
        chunk = self.source.chunk
        return chunk.text[self.span.start - chunk.span.start : self.span.end - chunk.span.start]


@dataclass(frozen=True, slots=True)
class Read:
    """One sentence of a passage that says something, and what it says."""

    sentence: Sentence
    content: Content
    particulars: Particulars


@dataclass(frozen=True)
class Evidence:
    """One passage. Offsets count in its text."""

    given: Given = field(repr=False)

    @property
    def number(self) -> int:
        return self.given.passage.number

    @cached_property
    def around(self) -> Content:
        """What the passage is read under."""
        return content_of(heading_of(self.given.source))

    @cached_property
    def sentences(self) -> list[Sentence]:
        return split_sentences(self.given.passage.text)

    @cached_property
    def orders(self) -> list[Sentence]:
        """The sentences that speak to a model, each with the one after it, which tends to say what to do."""
        if not self.given.passage.noticed:
            return []
        texts = [sentence.of(self.given.passage.text) for sentence in self.sentences]
        alone = [gives_orders(text) for text in texts]
        found = {n + step for n, own in enumerate(alone) if own for step in (0, 1)}
        for n, (first, second) in enumerate(pairwise(texts)):
            # An order that begins in a sentence and ends in the next is found in neither.
            if not (alone[n] or alone[n + 1]) and gives_orders(f"{first}\n{second}"):
                found |= {n, n + 1}
        return [sentence for n, sentence in enumerate(self.sentences) if n in found]

    @cached_property
    def read(self) -> list[Read]:
        """The sentences that can support a claim: headings, questions and orders to a model state nothing."""
        text = self.given.passage.text
        said = [(s, s.of(text)) for s in self.sentences if s.kind is not Kind.HEADING and s not in self.orders]
        return [Read(s, content_of(t), particulars_of(t)) for s, t in said if not t.endswith("?")]

    @cached_property
    def words(self) -> frozenset[str]:
        """All that its sentences say: what is not here is in none of them."""
        return frozenset[str]().union(*(one.content.words for one in self.read))

    @cached_property
    def numbers(self) -> frozenset[str]:
        return self.around.numbers.union(*(one.content.numbers for one in self.read))

    def find(self, words: Sequence[str]) -> tuple[int, int] | None:
        """Where these words stand in a row, whatever white space lies between them: the first such place.

        None also where that is part of an order to a model: it is neither evidence nor to be passed on.
        """
        joined = " ".join(words)
        at = self._joined.find(joined) if words else -1
        if at < 0:
            return None
        start, end = self._offsets[at], self._offsets[at + len(joined) - 1] + 1
        return None if any(s.start < end and start < s.end for s in self.orders) else (start, end)

    def support(self, start: int, end: int) -> Support:
        offset = self.given.source.chunk.span.start
        return Support(self.given.source, Span(offset + start, offset + end))

    @cached_property
    def _joined(self) -> str:
        """The text with one space between its words."""
        return " ".join(_WORD.findall(self.given.passage.text))

    @cached_property
    def _offsets(self) -> list[int]:
        """Where each character of the joined text stands in the passage."""
        offsets: list[int] = []
        for word in _WORD.finditer(self.given.passage.text):
            # The space before a word stands where the word before it ended.
            offsets += [offsets[-1] + 1] if offsets else []
            offsets += range(word.start(), word.end())
        return offsets
