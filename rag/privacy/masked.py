"""Masked text: its reading face, where its tokens came from, and the index face of any part of it.

A redacted value has a span and both faces as well, but they tell its kind only, and it has no `VaultValue`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rag.privacy.vault import VaultValue


@dataclass(frozen=True, slots=True)
class MaskedSpan:
    """A token or redaction at `start..end` of the reading text is for `source_start..source_end` of the original."""

    start: int
    end: int
    source_start: int
    source_end: int
    entity: str
    token: str


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text whose personal data is replaced by tokens. Made by `TenantPrivacy`, which never masks one again."""

    reading: str = field(repr=False)
    spans: tuple[MaskedSpan, ...] = field(repr=False)
    values: tuple[VaultValue, ...] = field(repr=False)
    """What the vault must hold: each value of the text, and each part of its names, so that a question with the
    surname alone is recognised as well."""
    faces: Mapping[str, str] = field(repr=False)
    """Index face of each token."""

    @property
    def entities(self) -> Counter[str]:
        """How often each kind was found in the text."""
        return Counter(span.entity for span in self.spans)

    def index_face(self, start: int = 0, end: int | None = None) -> str:
        """The index face of a part of the reading text.

        A token belongs to the part in which it begins, whole; where a part begins inside a token, the rest of that
        token is left out. So adjoining parts carry each token exactly once.
        """
        stop = len(self.reading) if end is None else min(end, len(self.reading))
        return "".join(_index_pieces(self.reading, self.spans, self.faces, max(start, 0), stop))


def _index_pieces(
    reading: str, spans: Sequence[MaskedSpan], faces: Mapping[str, str], start: int, stop: int
) -> Iterator[str]:
    position = start
    for span in spans:
        if span.end <= start:
            continue
        if span.start >= stop:
            break
        yield reading[position : max(position, span.start)]
        if span.start >= start:
            yield faces[span.token]
        position = span.end
    yield reading[position : max(position, stop)]
