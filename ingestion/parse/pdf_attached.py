"""Files within a PDF: read as documents within it, by their own names and formats, as attachments of a message are."""

import ctypes
from pathlib import PurePosixPath

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.cleaning import safe_name
from ingestion.parse.document import PARTS_MAX, Reason
from ingestion.parse.pieces import Pieces

_WHAT = "embedded file"


class Attached:
    """The files of one document, unpacked within what all its containers may unpack to."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._files: list[tuple[str, bytes]] = []
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

    def read(self) -> None:
        """Append them, those that are there twice once.

        Raises:
            Refused: for what concerns the whole document.
        """
        before = len(self._pieces.added)
        for number, (name, data) in enumerate(dict.fromkeys(self._files), 1):
            suffix = PurePosixPath(name).suffix[:16]
            self._pieces.attach(name or f"Embedded file {number}", suffix, data, what=_WHAT)
        self.any_read = len(self._pieces.added) > before


def _name(attachment: pdfium.FPDF_ATTACHMENT) -> str:
    size = pdfium.FPDFAttachment_GetName(attachment, None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDFAttachment_GetName(attachment, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return safe_name(buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00"), "")
