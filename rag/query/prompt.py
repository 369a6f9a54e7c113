"""What the generator is given: numbered passages within a budget of characters, and the masked question."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.domain import ReadableChunk
from rag.generation.protocol import Passage


@dataclass(frozen=True, slots=True)
class Given:
    """A passage and the chunk it is the beginning of: offsets in the passage are offsets in the chunk."""

    passage: Passage = field(repr=False)
    source: ReadableChunk = field(repr=False)


def give(chunks: Sequence[ReadableChunk], context_chars: int) -> tuple[Given, ...]:
    """The best chunks that fit, numbered from 1, best first.

    The best one is always given, cut if it must be; a later one is given whole or not at all, so that no
    passage ends in half a sentence.
    """
    given: list[Given] = []
    left = context_chars
    for found in chunks:
        title = heading_of(found)
        size = len(title) + len(found.chunk.text)
        if size > left and given:
            continue
        text = found.chunk.text[: max(left - len(title), 0)] if size > left else found.chunk.text
        left -= min(size, left)
        given.append(Given(Passage(len(given) + 1, title, text), found))
    return tuple(given)


def heading_of(found: ReadableChunk) -> str:
    """Title and heading path: what a passage is read under."""
    heading = found.chunk.heading
    return f"{found.title} / {heading}" if heading and heading != found.title else found.title
