"""The parent's side of recognising pages: which reader, where its models are, and a parser that uses it.

A document is read as always, in its own process; pages that it found without text are then read one by one, in
processes of another kind or by a service, and take their places among the others.
"""

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ingestion.parse.confine import Limits
from ingestion.parse.docling.pages import DoclingPages
from ingestion.parse.docling.service import DoclingService
from ingestion.parse.document import Extracted, ParsedDocument, Piece, Reason, Refused, listed
from ingestion.parse.layout import READERS
from ingestion.parse.members import Members
from ingestion.parse.pages import ConfinedPages, PageReader
from ingestion.parse.sandbox import Isolation, Program, Sandbox, weakest
from ingestion.parse.structure import build
from rag.errors import Misuse
from rag.hidden_content import DROP_ALL, HiddenPolicy
from rag.ingestion_settings import IngestionSettings
from rag.privacy.model import verify

MANIFESTS = Path(__file__).parent / "manifests"
VERSIONS: Mapping[str, str] = {"rapidocr": "1", "docling": "1"}
"""Part of what a stored version was made by: raised with the models, or when a page would give other pieces."""
CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ingestion.parse.scan_child import main; main(int(sys.argv[2]), sys.argv[3], *sys.argv[4:])"
)
_OF_THE_WHOLE = (Reason.BAD_MARKER, Reason.OCR_UNAVAILABLE, Reason.OCR_FAILED)
# A marker may not be read quite right; half of one would leave open what its author wanted closed.
_LIKE_A_MARKER = re.compile(r"[\[({|]\s*+(?:/\s*+)?r[il1|]ng\W?fence", re.I)


def made_by(settings: IngestionSettings) -> str:
    """What recognises pages, with its models, for the digest of what a version was made by. Empty: nothing does.

    Of a service it holds our part alone: a digest that is asked for with every document cannot wait for a service, and
    one that restarts in another version would have all documents read again.
    """
    if settings.ocr == "none":
        return ""
    return f"ocr={settings.ocr} {VERSIONS[settings.ocr]}"


@contextmanager
def open_parser(settings: IngestionSettings) -> Iterator["Sandbox | OcrParser"]:
    """What reads documents by these settings. Processes are started when the first document needs them.

    Raises:
        Misuse: the reader of pages is not installed, or settings are missing for it.
        Damaged: its models are not what their manifest says.
    """
    with ExitStack() as opened:
        sandbox = opened.enter_context(Sandbox(_limits(settings)))
        if settings.ocr == "none":
            yield sandbox
        elif settings.ocr == "docling":
            service = opened.enter_context(DoclingService(settings))
            yield OcrParser(sandbox, DoclingPages(sandbox, service, settings.text_chars_max), settings)
        else:
            reader = opened.enter_context(Sandbox(_limits_of_a_page(settings), program_of(settings)))
            yield OcrParser(sandbox, ConfinedPages(reader), settings)


def _limits(settings: IngestionSettings) -> Limits:
    return Limits(
        wall_s=settings.parse_wall_s,
        cpu_s=settings.parse_cpu_s,
        memory_bytes=settings.parse_memory_bytes,
        text_chars_max=settings.text_chars_max,
    )


def _limits_of_a_page(settings: IngestionSettings) -> Limits:
    return Limits(
        wall_s=settings.ocr_wall_s,
        cpu_s=settings.ocr_cpu_s,
        memory_bytes=settings.ocr_memory_bytes,
        text_chars_max=settings.text_chars_max,
    )


def program_of(settings: IngestionSettings) -> Program:
    """How the process that recognises pages is started; the models, which its package carries, are verified here.

    Raises:
        Misuse, Damaged: see `open_parser`.
    """
    # Found, not imported: this process loads none of it.
    found = importlib.util.find_spec(settings.ocr)
    if found is None or found.origin is None:
        raise Misuse(
            f"RINGFENCE_INGESTION__OCR={settings.ocr} needs a package that is not installed: pip install '.[ocr]'.",
            code="bad_settings",
        )
    models = Path(found.origin).parent / "models"
    verify(models, MANIFESTS / f"{settings.ocr}.json")
    return Program(CODE, arguments=(READERS[settings.ocr], str(models)))


class OcrParser:
    """A parser that has pages without text recognised. Thread-safe; closes nothing that it is given."""

    def __init__(self, parser: Sandbox, reader: PageReader, settings: IngestionSettings) -> None:
        self._parser = parser
        self._reader = reader
        self._pages_max = settings.ocr_pages_max
        self._chars_max = settings.text_chars_max

    @property
    def isolation(self) -> Isolation | None:
        """What holds for all processes that read documents here, as far as they have run."""
        return weakest([one for one in (self._parser.isolation, self._reader.isolation) if one is not None])

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        """As `Sandbox.parse`, with the text of pages that have none.

        Raises:
            Refused: it is not to be indexed, and why. A page that harms its process costs itself alone; one that a
                service does not read costs the document, which could be read whole another time.
            Unavailable: processes cannot be started on this machine at all.
        """
        extracted = self._parser.extract(data, path, hidden, awaiting=True)
        return build(self._completed(extracted, data) if extracted.awaited else extracted, path)

    def members(self, archive: BinaryIO) -> Members:
        return self._parser.members(archive)

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes:
        return self._parser.member(archive, index, bytes_max)

    def _completed(self, extracted: Extracted, data: bytes) -> Extracted:
        pieces, notes, refusal = list(extracted.pieces), list(extracted.notes), None
        empty: list[int] = list(extracted.awaited[self._pages_max :])
        read: list[int] = []
        for page in extracted.awaited[: self._pages_max]:
            try:
                found = self._page(data, page)
            except Refused as cause:
                if cause.reason in _OF_THE_WHOLE:
                    raise
                found, refusal = (), cause
            (read if found else empty).append(page)
            pieces += found
        if not pieces:
            if refusal is not None:
                raise Refused(refusal.reason, "recognising a page: ingestion.ocr_wall_s, ocr_cpu_s, ocr_memory_bytes")
            raise Refused(Reason.IMAGE_ONLY, "recognising its pages gave no text")
        if sum(len(piece.text) for piece in pieces) > self._chars_max:
            raise Refused(Reason.TOO_MUCH_TEXT)
        notes += [f"text recognised on {_listed(read)}"] * bool(read)
        notes += [f"no text on {_listed(empty)}"] * bool(empty)
        # Stable: within a page, the order that it was read in. Documents within this one have pages of their own.
        own = sorted((piece for piece in pieces if not piece.part), key=lambda piece: piece.page or 0)
        ordered = (*own, *(piece for piece in pieces if piece.part))
        return Extracted(extracted.media_type, extracted.title, ordered, tuple(notes), extracted.hidden)

    def _page(self, data: bytes, page: int) -> tuple[Piece, ...]:
        # Its number is ours to say.
        pieces = tuple(replace(piece, page=page) for piece in self._reader.read(data, page))
        if any(_LIKE_A_MARKER.search(piece.text) for piece in pieces):
            raise Refused(Reason.BAD_MARKER, f"on page {page}, whose text was recognised")
        return pieces


def _listed(numbers: Sequence[int]) -> str:
    return f"page{'s' * (len(numbers) > 1)} {listed(numbers)}"
