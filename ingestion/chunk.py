"""From masked blocks to chunks: structure first, then tokens of the embedder.

A chunk is a span of the version's reading text, exactly. It never crosses a page, a heading or a border of
stricter labels, and never cuts a token such as `<PERSON_...>` in two. A block that fits is kept whole, small
neighbours are joined, and only what is too long by itself is split, at sentences where there are any.

What is embedded is the index face of title, heading path and chunk; lengths are measured on exactly that text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from semantic_text_splitter import TextSplitter

from policies.rules import Tightening
from rag.domain import Span
from rag.privacy.unmask import stand_ins_in

CHUNKER_VERSION = "1"
"""Part of what a stored version was made by: raise it when the same blocks would give other chunks."""
BETWEEN_BLOCKS = "\n\n"
CHARS_PER_TOKEN_MAX = 12
"""A tokenizer may read a word of any length as one unknown token: so characters count too."""
CONTEXT_SHARE = 4
"""Title and headings may take one part in this many of what the embedder reads."""
_PRIVATE_USE = range(0xF0000, 0x10FFFE)
"""Where stand-ins for tokens are taken from, while splitting."""


class Tokenizer(Protocol):
    """The part of an embedder that measures."""

    @property
    def tokens_max(self) -> int: ...

    def count_tokens(self, text: str) -> int: ...


class Masked(Protocol):
    """A text in both faces."""

    @property
    def reading(self) -> str: ...

    def index_face(self, start: int, end: int) -> str: ...


@dataclass(frozen=True, slots=True)
class MaskedBlock:
    """A block after masking. `heading` is the path for people, `context` its index face."""

    text: Masked = field(repr=False)
    page: int | None
    heading: str = field(repr=False)
    context: str = field(repr=False)
    tightening: Tightening


@dataclass(frozen=True, slots=True)
class Draft:
    """A chunk to be. `span` counts in the reading text; `embedded` is the index face, never to be stored."""

    span: Span
    page: int | None
    heading: str = field(repr=False)
    tightening: Tightening
    embedded: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one block: `start` and `end` count in the block, `offset` is the block's place in the text."""

    block: MaskedBlock = field(repr=False)
    offset: int
    start: int
    end: int

    @property
    def face(self) -> str:
        return self.block.text.index_face(self.start, self.end)


def reading_text(blocks: Sequence[MaskedBlock]) -> str:
    """The version's text that all spans count in."""
    return BETWEEN_BLOCKS.join(block.text.reading for block in blocks)


def chunk(blocks: Sequence[MaskedBlock], title: str, tokenizer: Tokenizer, *, tokens: int) -> list[Draft]:
    """Chunks in order; together they hold every character of the text that is not a space.

    `title` is the index face of the document's title. `tokens` limits a chunk without its context; with it,
    the embedder's own limit holds.
    """
    measure = _Measure(title, tokenizer, tokens)
    drafts: list[Draft] = []
    joined: list[Part] = []
    offset = 0
    for block in blocks:
        whole = Part(block, offset, 0, len(block.text.reading))
        offset += whole.end + len(BETWEEN_BLOCKS)
        if joined and _may_join(joined[-1].block, block) and measure.fits([*joined, whole]):
            joined.append(whole)
            continue
        if joined:
            drafts.append(measure.draft(joined))
            joined = []
        if measure.fits([whole]):
            joined.append(whole)
        else:
            drafts.extend(measure.draft([part]) for part in _split(whole, measure))
    if joined:
        drafts.append(measure.draft(joined))
    return drafts


def _may_join(one: MaskedBlock, other: MaskedBlock) -> bool:
    return (one.page, one.heading, one.tightening) == (other.page, other.heading, other.tightening)


class _Measure:
    """Says what fits, and makes drafts of it."""

    def __init__(self, title: str, tokenizer: Tokenizer, tokens: int) -> None:
        self._title = title
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._contexts: dict[str, str] = {}

    @property
    def capacity(self) -> int:
        return min(self._tokens, self._tokenizer.tokens_max)

    def size(self, block: MaskedBlock, face: str) -> int:
        """Tokens that a face takes of the capacity; more than the capacity where the embedder would refuse it."""
        own = max(self._tokenizer.count_tokens(face), -(-len(face) // CHARS_PER_TOKEN_MAX))
        over = self._tokenizer.count_tokens(self._with_context(block, face)) - self._tokenizer.tokens_max
        return max(own, self.capacity + over)

    def fits(self, parts: Sequence[Part]) -> bool:
        return self.size(parts[0].block, _joined_face(parts)) <= self.capacity

    def draft(self, parts: Sequence[Part]) -> Draft:
        first, last = parts[0], parts[-1]
        return Draft(
            span=Span(first.offset + first.start, last.offset + last.end),
            page=first.block.page,
            heading=first.block.heading,
            tightening=first.block.tightening,
            embedded=self._with_context(first.block, _joined_face(parts)),
        )

    def _with_context(self, block: MaskedBlock, face: str) -> str:
        if block.context not in self._contexts:
            self._contexts[block.context] = self._context(block.context)
        context = self._contexts[block.context]
        return f"{context}\n{face}" if context else face

    def _context(self, headings: str) -> str:
        """Title and headings, cut to their share: what is cut here is context, still citable where it stands."""
        limit = max(8, self._tokenizer.tokens_max // CONTEXT_SHARE)
        words = " ".join(part for part in (self._title, headings) if part)[: limit * CHARS_PER_TOKEN_MAX].split()
        while words and self._tokenizer.count_tokens(" ".join(words)) > limit:
            words = words[: max(0, len(words) * 9 // 10 if len(words) > 9 else len(words) - 1)]
        return " ".join(words)


def _joined_face(parts: Sequence[Part]) -> str:
    return "\n".join(part.face for part in parts)


def _split(whole: Part, measure: _Measure) -> Iterator[Part]:
    """Cut a block that is too long, each piece as long as may be."""
    shadow = _Shadow(whole.block.text)
    parts: list[Part] = []
    # The splitter measures the pieces it tries; should the face of a piece not be the sum of its characters'
    # faces, a piece may come out too long, and a smaller capacity is tried.
    for capacity in (measure.capacity, measure.capacity * 3 // 4, measure.capacity // 2, measure.capacity // 4):
        splitter = TextSplitter.from_callback(shadow.measured_by(whole.block, measure), max(1, capacity), trim=False)
        spans = (shadow.span(start, start + len(piece)) for start, piece in splitter.chunk_indices(shadow.text))
        parts = [Part(whole.block, whole.offset, start, end) for start, end in spans if end > start]
        if all(measure.fits([part]) for part in parts):
            break
    yield from parts


class _Shadow:
    """A masked text in which each token is one character: cuts fall beside tokens and map back exactly."""

    def __init__(self, masked: Masked) -> None:
        self._reading = masked.reading
        free = (code for code in _PRIVATE_USE if chr(code) not in self._reading)
        stand_ins: dict[str, int] = {}
        self._faces: dict[int, str] = {}
        self._starts: list[int] = []
        parts: list[str] = []
        at = 0
        for token in stand_ins_in(self._reading):
            if token.text not in stand_ins:
                stand_ins[token.text] = next(free)
                self._faces[stand_ins[token.text]] = masked.index_face(token.start, token.end)
            parts += (self._reading[at : token.start], chr(stand_ins[token.text]))
            self._starts += (*range(at, token.start), token.start)
            at = token.end
        self._starts += range(at, len(self._reading) + 1)
        self.text = "".join([*parts, self._reading[at:]])

    def measured_by(self, block: MaskedBlock, measure: _Measure) -> Callable[[str], int]:
        return lambda piece: measure.size(block, piece.translate(self._faces))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the shadow stands in the reading text, without the spaces around it."""
        first, last = self._starts[start], self._starts[end]
        text = self._reading[first:last]
        return first + len(text) - len(text.lstrip()), last - len(text) + len(text.rstrip())
