"""The steps between parsing and writing: mask, chunk, embed. Pure computation, no database."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ingestion.chunk import Draft, Masked, MaskedBlock, chunk, reading_text
from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parse.structure import spaced
from ingestion.parts import Lexical, TenantMasking
from rag.domain import SparseVector
from rag.embedding.protocol import Embedder
from rag.privacy.mask import better_spelling
from rag.privacy.masked import MaskedText
from rag.privacy.unmask import tokens_in
from rag.privacy.vault import VaultValue

HEADING_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class MaskedDocument:
    """A document of which no original is left but in `values`, which go to the vault."""

    title: Masked = field(repr=False)
    path: str = field(repr=False)
    blocks: tuple[MaskedBlock, ...] = field(repr=False)
    values: tuple[VaultValue, ...] = field(repr=False)

    @property
    def text(self) -> str:
        return reading_text(self.blocks)

    def kinds_of(self, tokens: Collection[str]) -> Counter[str]:
        """How many of the tokens stand in the document, by entity; one that stands twice counts once."""
        headings = (block.heading for block in self.blocks)
        read = "\n".join((self.title.reading, self.path, *headings, self.text)) if tokens else ""
        return Counter(entity for entity, token in {(t.entity, t.text) for t in tokens_in(read)} if token in tokens)


@dataclass(frozen=True, slots=True)
class EmbeddedDraft:
    """A chunk with the vectors of its index face."""

    draft: Draft
    dense: NDArray[np.float32] = field(repr=False)
    lexical: SparseVector = field(repr=False)


def mask(parsed: ParsedDocument, path: str, privacy: TenantMasking) -> MaskedDocument:
    """Mask title, path, headings and text together: a name found in one place is masked in all.

    Raises:
        Refused: masking_failed. What cannot be masked is not kept.
    """
    headings = _headings(parsed)
    try:
        masked = privacy.mask(searched_texts(parsed, path))
    except Exception as cause:  # noqa: BLE001 - whatever a recognizer raises, this document is not kept
        raise Refused(Reason.MASKING_FAILED, type(cause).__name__) from None
    title, plain_path, path_in_words, *rest = masked
    by_heading = dict(zip(headings, rest[: len(headings)], strict=True))
    blocks = tuple(
        MaskedBlock(
            text=text,
            page=block.page,
            heading=HEADING_SEPARATOR.join(by_heading[heading].reading for heading in block.heading_path),
            context=" ".join(_whole_face(by_heading[heading]) for heading in block.heading_path),
            tightening=block.tightening,
        )
        for block, text in zip(parsed.blocks, rest[len(headings) :], strict=True)
    )
    # In "anna_smith.pdf" a recognizer sees no name; where words with capitals show one, they are the path.
    shown = path_in_words if path_in_words.values else plain_path
    kept = [title, shown, *rest]
    return MaskedDocument(title, shown.reading, blocks, _values(kept))


def searched_texts(parsed: ParsedDocument, path: str) -> list[str]:
    """All texts of a document that personal data is looked for in: title, path, path in words, headings, blocks."""
    return [parsed.title, path, _in_words(path), *_headings(parsed), *(block.text for block in parsed.blocks)]


def cut(document: MaskedDocument, embedder: Embedder, *, tokens: int) -> list[Draft]:
    return chunk(document.blocks, _whole_face(document.title), embedder, tokens=tokens)


def embed(drafts: Sequence[Draft], embedder: Embedder, lexical: Lexical) -> tuple[EmbeddedDraft, ...]:
    """Vectors of each chunk in both spaces, made from the index face."""
    dense = embedder.embed_passages([draft.embedded for draft in drafts])
    return tuple(
        EmbeddedDraft(draft, vector, lexical.encode_passage(draft.embedded))
        for draft, vector in zip(drafts, dense, strict=True)
    )


def _headings(parsed: ParsedDocument) -> list[str]:
    return sorted({heading for block in parsed.blocks for heading in block.heading_path})


def _in_words(path: str) -> str:
    pure = PurePosixPath(path)
    words = spaced(pure.stem)
    return str(pure.with_name(f"{words.title() if words.islower() else words}{pure.suffix}")) if words else path


def _whole_face(masked: Masked) -> str:
    return masked.index_face(0, len(masked.reading))


def _values(texts: Sequence[MaskedText]) -> tuple[VaultValue, ...]:
    by_token: dict[str, VaultValue] = {}
    for text in texts:
        for value in text.values:
            held = by_token.get(value.token)
            by_token[value.token] = value if held is None else better_spelling(held, value)
    return tuple(by_token[token] for token in sorted(by_token))
