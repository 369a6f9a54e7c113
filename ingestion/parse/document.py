"""What parsing yields, and why it may refuse.

`Piece` is what the confined child reports: text in document order, headings marked. `Block` is what the house
works with: text with its heading path and its stricter labels. Standard library only: the child imports this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from policies.rules import Tightening
from rag.hidden_content import HiddenKind

DEPTH_MAX = 100
"""Nesting that no honest document reaches. libxml2 drops everything below 256 levels without a word."""
ARCHIVE_BYTES_MAX = 200_000_000
"""Really decompressed bytes of one container."""
ARCHIVE_MEMBERS_MAX = 5_000
PARTS_MAX = 1_000
"""Attachments, enclosed messages and archive members that one document may hold, at all depths together."""
PART_DEPTH_MAX = 8
"""Documents within documents."""
HEADING_MAX = 12
"""Depth of headings: six of a document, and those that name the parts it stands in."""
NOTE = r"[\w ]{1,80}"
"""What a note for the report may be."""
_LISTED_MAX = 8


NAMED_BY_FILE = frozenset(
    (
        "application/json",
        "application/jsonl",
        "application/mbox",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/zip",
        "text/x-source",
    )
)
"""Media types of which the first heading is one of many and no title."""


class Reason(StrEnum):
    """Why a document is not indexed. Stable codes."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    BROKEN = "broken"
    WRONG_TYPE = "wrong_type"
    UNSUPPORTED_TYPE = "unsupported_type"
    TOO_DEEP = "too_deep"
    ARCHIVE_BOMB = "archive_bomb"
    TIMED_OUT = "timed_out"
    MEMORY = "memory"
    IMAGE_ONLY = "image_only"
    OCR_UNAVAILABLE = "ocr_unavailable"
    OCR_FAILED = "ocr_failed"
    UNLABELLED = "unlabelled"
    NOT_TEXT = "not_text"
    TOO_MUCH_TEXT = "too_much_text"
    CRASHED = "crashed"
    BAD_MARKER = "bad_marker"
    UNREADABLE = "unreadable"
    MASKING_FAILED = "masking_failed"
    KEPT_OUT = "kept_out"
    NOT_LIVE = "not_live"


WHAT_IT_MEANS: dict[Reason, str] = {
    Reason.EMPTY: "the file holds no text",
    Reason.TOO_LARGE: "the file is larger than ingestion.file_bytes_max",
    Reason.ENCRYPTED: "the file is encrypted; save it without a password",
    Reason.BROKEN: "the file is damaged and cannot be read",
    Reason.WRONG_TYPE: "the content is not what the file name says",
    Reason.UNSUPPORTED_TYPE: "files of this type are not read",
    Reason.TOO_DEEP: "the content is nested deeper than any honest document",
    Reason.ARCHIVE_BOMB: "the content expands to far more than its size",
    Reason.TIMED_OUT: "reading took longer than ingestion.parse_wall_s or ingestion.parse_cpu_s",
    Reason.MEMORY: "reading needed more memory than ingestion.parse_memory_bytes",
    Reason.IMAGE_ONLY: "the pages are images without text; set ingestion.ocr, or recognise their text beforehand",
    Reason.OCR_UNAVAILABLE: "the service that recognises pages did not do it; the document is tried again",
    Reason.OCR_FAILED: "the service that recognises pages gave nothing to be believed for one of them",
    Reason.UNLABELLED: "department and level are not known",
    Reason.NOT_TEXT: "the file does not hold text in any known encoding",
    Reason.TOO_MUCH_TEXT: "the file holds more text than ingestion.text_chars_max",
    Reason.CRASHED: "the reader of this format crashed on the file",
    Reason.BAD_MARKER: "a [ringfence ...] marker in the text is not valid",
    Reason.UNREADABLE: "the file could not be opened",
    Reason.MASKING_FAILED: "personal data in the file could not be masked",
    Reason.KEPT_OUT: "the document was deleted meanwhile and is kept out",
    Reason.NOT_LIVE: "the live index does not have it under the labels that its source gives it; ingest it first",
}


class Refused(Exception):
    """A document that is not indexed. `detail` is our own words, never text of the document."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    @property
    def sentence(self) -> str:
        meaning = WHAT_IT_MEANS[self.reason]
        return f"{meaning} ({self.detail})" if self.detail else meaning


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as the child found it. `heading` is 1 to HEADING_MAX for a heading, 0 for anything else.

    `part` is 0 for the document's own text and another number for each document within it. `beside` is text whose place
    among the others is not where it belongs: notes, comments, headers, hidden text.
    """

    text: str = field(repr=False)
    heading: int = 0
    page: int | None = None
    part: int = 0
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What a format says about a document as a whole. `title` is empty where it has none."""

    media_type: str
    title: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Extracted:
    """All the child reports about a document. `hidden` counts what a reader of it would not see, by kind.

    `awaited` are the numbers of pages whose text is to be recognised.
    """

    media_type: str
    title: str = field(repr=False)
    pieces: tuple[Piece, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    hidden: Mapping[HiddenKind, int] = field(default_factory=dict)
    awaited: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list item, table row or page: never split by the chunker where it fits into one chunk."""

    text: str = field(repr=False)
    page: int | None = None
    heading_path: tuple[str, ...] = field(default=(), repr=False)
    tightening: Tightening = field(default=Tightening())


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as text in order. Still original text: to be masked before anything is kept of it."""

    title: str = field(repr=False)
    media_type: str
    blocks: tuple[Block, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    hidden: Mapping[HiddenKind, int] = field(default_factory=dict)
    """How many passages a reader of the document would not see, by kind, whatever was done with them."""


def listed(numbers: Sequence[int]) -> str:
    """The first of these numbers, and how many more there are, as a note may hold them."""
    shown = " ".join(str(number) for number in numbers[:_LISTED_MAX])
    return f"{shown} and {len(numbers) - _LISTED_MAX} more" if len(numbers) > _LISTED_MAX else shown
