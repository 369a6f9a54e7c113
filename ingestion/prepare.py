"""From the bytes of a document to what is written of it: parse, look, mask, cut, embed.

Pure computation without a database. What goes in and what comes out can be pickled, so that it may be done elsewhere.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ingestion.chunk import Draft, Masked, MaskedBlock, chunk, reading_text
from ingestion.looking import Noticed, look
from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parse.structure import spaced
from ingestion.parts import Lexical, Masker, Tools
from ingestion.report import Step
from rag.domain import SparseVector
from rag.embedding.protocol import Embedder
from rag.hidden_content import HiddenFound, HiddenPolicy
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


@dataclass(frozen=True, slots=True)
class Raw:
    """A document as it was read, and what is done with its hidden content. With `look_only`, nothing is made of it."""

    data: bytes = field(repr=False)
    path: str = field(repr=False)
    hidden: HiddenPolicy
    look_only: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found in a document, and, unless it was only looked at, all that is to be written of it."""

    media_type: str
    notes: tuple[str, ...]
    noticed: Noticed
    hidden: tuple[HiddenFound, ...]
    masked: MaskedDocument | None = field(default=None, repr=False)
    chunks: tuple[EmbeddedDraft, ...] = field(default=(), repr=False)


def prepare(raw: Raw, tools: Tools, masker: Masker, reached: Callable[[Step], None]) -> Prepared:
    """Parse, look, mask, cut, embed; `reached` is told of each step that is done, in the caller's thread.

    Raises:
        Refused: it is not to be indexed, and why.
        Unavailable: parser processes cannot be started on this machine at all.
    """
    parsed = tools.parser.parse(raw.data, raw.path, raw.hidden)
    reached(Step.PARSED)
    noticed = look(parsed, raw.hidden.quarantined(parsed.hidden))
    found = Prepared(parsed.media_type, parsed.notes, noticed, raw.hidden.found(parsed.hidden))
    if raw.look_only:
        return found
    masked = mask(parsed, raw.path, masker)
    reached(Step.MASKED)
    drafts = cut(masked, tools.embedder, tokens=tools.settings.chunk_tokens)
    chunks = embed(drafts, tools.embedder, tools.lexical)
    reached(Step.EMBEDDED)
    return replace(found, masked=masked, chunks=chunks)


def mask(parsed: ParsedDocument, path: str, privacy: Masker) -> MaskedDocument:
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
    return MaskedDocument(title, shown.reading + PurePosixPath(path).suffix, blocks, _values(kept))


def searched_texts(parsed: ParsedDocument, path: str) -> list[str]:
    """All texts of a document that personal data is looked for in: title, path, path in words, headings, blocks.

    The path without its ending: a reader knows it, so it is nobody's name, but "list.xlsx" may pass for one.
    """
    named = path.removesuffix(PurePosixPath(path).suffix)
    return [parsed.title, named, _in_words(named), *_headings(parsed), *(block.text for block in parsed.blocks)]


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
    words = spaced(pure.name)
    return str(pure.with_name(words.title() if words.islower() else words)) if words else path


def _whole_face(masked: Masked) -> str:
    return masked.index_face(0, len(masked.reading))


def _values(texts: Sequence[MaskedText]) -> tuple[VaultValue, ...]:
    by_token: dict[str, VaultValue] = {}
    for text in texts:
        for value in text.values:
            held = by_token.get(value.token)
            by_token[value.token] = value if held is None else better_spelling(held, value)
    return tuple(by_token[token] for token in sorted(by_token))
