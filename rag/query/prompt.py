"""What the generator is given: numbered passages within a budget of characters, and the masked question."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rag.domain import ReadableChunk
from rag.generation.marks import marked_chars
from rag.generation.protocol import Passage

NO_NEIGHBOURS: Mapping[str, Sequence[ReadableChunk]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Given:
    """A passage and the chunk it is the beginning of: offsets in the passage are offsets in the chunk."""

    passage: Passage = field(repr=False)
    source: ReadableChunk = field(repr=False)


def give(
    chunks: Sequence[ReadableChunk],
    context_chars: int,
    noticed: Collection[str] = (),
    neighbours: Mapping[str, Sequence[ReadableChunk]] = NO_NEIGHBOURS,
) -> tuple[Given, ...]:
    """The best chunks that fit, numbered from 1, best first; data marks count. `noticed` are ids of flagged chunks.

    The best one is always given, cut if it must be; a later one is given whole or not at all, so that no
    passage ends in half a sentence. So are `neighbours`, by the chunk that they stand beside: each right behind the
    first such chunk, from what the chunks themselves leave.
    """
    texts: dict[str, str] = {}
    left = context_chars
    for found in chunks:
        size = _size(found)
        if size > left and texts:
            continue
        # At most one line end is cut off for each mark that the rest needs.
        text = found.chunk.text[: max(left - size + len(found.chunk.text), 0)] if size > left else found.chunk.text
        left -= min(size, left)
        texts[found.chunk.id] = text
    ordered: list[ReadableChunk] = []
    for found in [found for found in chunks if found.chunk.id in texts]:
        ordered.append(found)
        for other in neighbours.get(found.chunk.id, ()):
            if other.chunk.id not in texts and _size(other) <= left:
                left -= _size(other)
                texts[other.chunk.id] = other.chunk.text
                ordered.append(other)
    return tuple(
        Given(Passage(number, heading_of(found), texts[found.chunk.id], found.chunk.id in noticed), found)
        for number, found in enumerate(ordered, start=1)
    )


def _size(found: ReadableChunk) -> int:
    return marked_chars(heading_of(found)) + marked_chars(found.chunk.text)


def heading_of(found: ReadableChunk) -> str:
    """Title and heading path: what a passage is read under."""
    heading = found.chunk.heading
    return f"{found.title} / {heading}" if heading and heading != found.title else found.title
