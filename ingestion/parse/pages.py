"""The port for what reads pages without text, as parsing sees it, and the adapter whose readers run confined here."""

from typing import Protocol

from ingestion.parse.document import Piece
from ingestion.parse.sandbox import Isolation, Sandbox


class PageReader(Protocol):
    """Gives what a page of a PDF shows. Thread-safe."""

    @property
    def isolation(self) -> Isolation | None:
        """What holds for the processes that it started here; None where none has run."""
        ...

    def read(self, document: bytes, page: int) -> tuple[Piece, ...]:
        """The pieces of page number `page` (from 1), in reading order; none where nothing was recognised.

        Their page numbers are not set.

        Raises:
            Refused: the page cannot be read, and why; for a service, `ocr_unavailable` and `ocr_failed`.
            Unavailable: processes cannot be started on this machine at all.
        """
        ...


class ConfinedPages:
    """Reads each page in a process of its own, by one of `ingestion.parse.layout.READERS`. Does not close it."""

    def __init__(self, reader: Sandbox) -> None:
        self._reader = reader

    @property
    def isolation(self) -> Isolation | None:
        return self._reader.isolation

    def read(self, document: bytes, page: int) -> tuple[Piece, ...]:
        found = self._reader.extracted({"task": "page", "page": page}, document).pieces
        # Geometry alone does not tell what stands beside the rest.
        return tuple(Piece(piece.text, piece.heading) for piece in found)
