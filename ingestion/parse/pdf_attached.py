"""Files within a PDF: read as documents within it, by their own names and formats, as attachments of a message are."""

import ctypes
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.cleaning import safe_name
from ingestion.parse.document import PARTS_MAX, Piece, Reason, Refused
from ingestion.parse.pieces import Pieces

_WHAT = "embedded file"
_BEGINS = re.compile(r"\[ringfence\b[^\]\[]*\]", re.I)
_END = "[/ringfence]"


class Attached:
    """The files of one document, unpacked within what all its containers may unpack to."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._files: list[tuple[str, bytes]] = []
        self._begun = pieces.count
        self.any_read = False

    def of_document(self, document: pypdfium2.PdfDocument) -> None:
        for index in range(min(pdfium.FPDFDoc_GetAttachmentCount(document.raw), PARTS_MAX + 1)):
            self.add(pdfium.FPDFDoc_GetAttachment(document.raw, index))

    def add(self, attachment: pdfium.FPDF_ATTACHMENT) -> None:
        """
        Raises:
            Refused: archive_bomb.
        """
        size = ctypes.c_ulong()
        if not attachment or not pdfium.FPDFAttachment_GetFile(attachment, None, 0, size):
            self._pieces.unread(_WHAT, Reason.BROKEN)
            return
        self._pieces.inflated(size.value)
        buffer = ctypes.create_string_buffer(max(size.value, 1))
        pdfium.FPDFAttachment_GetFile(attachment, buffer, size.value, size)
        self._files.append((_name(attachment), bytes(memoryview(buffer)[: size.value])))

    def read(self, *, awaiting: bool) -> None:
        """Append them, those that are there twice once. `awaiting`: text of pages is yet to be put before them.

        A file may be pinned to a page within a section, or be what a section is about: they are all as strict as all
        sections of the document together.

        Raises:
            Refused: for what concerns the whole document.
        """
        files = dict.fromkeys(self._files)
        sections = list(dict.fromkeys(_beginnings(self._pieces.since(self._begun)))) if files else []
        if sections and awaiting:
            raise Refused(Reason.BAD_MARKER, "with embedded files, beside pages without text")
        for section in sections:
            self._pieces.add(section)
        before = self._pieces.count
        for number, (name, data) in enumerate(files, 1):
            suffix = PurePosixPath(name).suffix[:16]
            self._pieces.attach(name or f"Embedded file {number}", suffix, data, what=_WHAT)
        added = self._pieces.since(before)
        self.any_read = bool(added)
        # A section that a file leaves open runs on; nothing can be ended then.
        if len(_beginnings(added)) == sum(piece.text.lower().count(_END) for piece in added):
            for _ in sections:
                self._pieces.add(_END)


def _beginnings(pieces: Iterable[Piece]) -> list[str]:
    """Of sections, as they are written. What only looks like one refuses the document later."""
    return [begins for piece in pieces for begins in _BEGINS.findall(piece.text)]


def _name(attachment: pdfium.FPDF_ATTACHMENT) -> str:
    size = pdfium.FPDFAttachment_GetName(attachment, None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDFAttachment_GetName(attachment, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return safe_name(buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00"), "")
