"""The port for what reads pages that have no text in processes of ours: what it must do, and where it stands.

A reader is loaded in a process of its own, and each page is read in a child of that process, with its own limits and
without network and files. Standard library only: everybody imports this.
"""

from collections.abc import Mapping
from typing import Protocol

from ingestion.parse.pieces import Pieces

READERS: Mapping[str, str] = {
    "rapidocr": "ingestion.parse.rapidocr_pages",
}
"""By the setting `ingestion.ocr`: the module whose `load` makes the reader."""
LONG_SIDE_PX = 1_900
"""Pixels of a page's longer side, where it is drawn: A4 at some 160 dots per inch. Models scale more down again."""


class LayoutReader(Protocol):
    """Recognises what a page of a PDF shows. Ready when it is made: afterwards there are no files to load from."""

    def read(self, document: bytes, page: int, pieces: Pieces) -> None:
        """Append what page number `page` (from 1) shows: paragraphs, headings and table rows, in reading order.

        Raises:
            Refused: the document cannot be opened.
        """
        ...


class Load(Protocol):
    """How a module of `READERS` makes its reader."""

    def __call__(self, models: str) -> LayoutReader:
        """`models` is the folder with the verified weights. Nothing else is loaded and nothing downloaded."""
        ...
