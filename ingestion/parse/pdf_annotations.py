"""What is laid over a PDF page: filled fields, typed remarks and drawings are part of what it shows; comments not."""

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_lines import Run
from ingestion.parse.pieces import Pieces
from rag.hidden_content import HiddenKind

ANNOTATIONS_MAX = 2_000
CHECKED = "\N{BALLOT BOX WITH X}"
_LINE_PT = 12.0
_COMMENTS = (pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_POPUP, pdfium.FPDF_ANNOT_CARET)
_REMARKED = (
    pdfium.FPDF_ANNOT_HIGHLIGHT,
    pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_SQUIGGLY,
    pdfium.FPDF_ANNOT_STRIKEOUT,
    pdfium.FPDF_ANNOT_LINE,
    pdfium.FPDF_ANNOT_SQUARE,
    pdfium.FPDF_ANNOT_CIRCLE,
    pdfium.FPDF_ANNOT_POLYGON,
    pdfium.FPDF_ANNOT_POLYLINE,
    pdfium.FPDF_ANNOT_INK,
    pdfium.FPDF_ANNOT_STAMP,
    pdfium.FPDF_ANNOT_REDACT,
)
"""Drawn on the page, and what is written with them is a comment."""
_WRITTEN = (pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_WATERMARK)
_TICKED = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
_UNSEEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW


@dataclass(slots=True)
class Laid:
    """What is laid over a page. `written`: some of it is text, so that order is a question of place.

    `alone`: the page itself has no text. `added` is what a reader sees and the engine does not draw.
    """

    drawn: bool = False
    written: bool = False
    alone: bool = False
    added: list[Run] = field(default_factory=list)


def page_as_shown(
    document: pypdfium2.PdfDocument, number: int, pieces: Pieces, attached: Callable[[pdfium.FPDF_ATTACHMENT], None]
) -> tuple[pypdfium2.PdfPage, Laid]:
    """The page with what is laid over it drawn in. Comments and hidden fields are counted, files go to `attached`."""
    page = document[number - 1]
    laid = Laid()
    for annotation in _annotations(page):
        kind, flags = pdfium.FPDFAnnot_GetSubtype(annotation), pdfium.FPDFAnnot_GetFlags(annotation)
        shown = kind in (*_REMARKED, *_WRITTEN) and not flags & _UNSEEN
        if kind == pdfium.FPDF_ANNOT_FILEATTACHMENT:
            attached(pdfium.FPDFAnnot_GetFileAttachment(annotation))
        if kind in _COMMENTS or kind in _REMARKED:
            pieces.add_hidden(HiddenKind.COMMENT, _string(annotation, b"Contents"), page=number)
        elif kind in _WRITTEN and not shown:
            pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, _value(annotation, page, kind), page=number)
        elif kind in _WRITTEN:
            laid.written = True
            laid.added += _not_drawn(annotation, page, kind)
        laid.drawn |= shown
        pdfium.FPDFAnnot_SetFlags(annotation, 0 if shown else pdfium.FPDF_ANNOT_FLAG_HIDDEN)
    if laid.written:
        text = page.get_textpage()
        laid.alone = text.count_chars() == 0
        text.close()
    if laid.drawn:
        pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
        page.close()
        page = document[number - 1]
    return page, laid


def _annotations(page: pypdfium2.PdfPage) -> Iterator[pdfium.FPDF_ANNOTATION]:
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), ANNOTATIONS_MAX)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            yield annotation
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _not_drawn(annotation: pdfium.FPDF_ANNOTATION, page: pypdfium2.PdfPage, kind: int) -> Iterator[Run]:
    """Text that has no appearance in the file and that every reader draws by itself; and ticks that are no letters."""
    appearance = _wide(lambda buffer, size: pdfium.FPDFAnnot_GetAP(annotation, 0, buffer, size))
    if kind == pdfium.FPDF_ANNOT_WIDGET and page.formenv:
        ticked = pdfium.FPDFAnnot_GetFormFieldType(page.formenv.raw, annotation) in _TICKED
        if ticked:
            if pdfium.FPDFAnnot_IsChecked(page.formenv.raw, annotation) and "Tj" not in appearance.replace("TJ", "Tj"):
                yield from _lines(CHECKED, annotation)
            return
    if not appearance:
        yield from _lines(_value(annotation, page, kind), annotation)


def _lines(text: str, annotation: pdfium.FPDF_ANNOTATION) -> Iterator[Run]:
    place = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(annotation, place)
    top = place.top
    for line in text.splitlines():
        yield Run(place.left, top - _LINE_PT, place.right, top, line)
        top -= _LINE_PT


def _value(annotation: pdfium.FPDF_ANNOTATION, page: pypdfium2.PdfPage, kind: int) -> str:
    if kind != pdfium.FPDF_ANNOT_WIDGET:
        return _string(annotation, b"Contents")
    if not page.formenv:
        return _string(annotation, b"V")
    form = page.formenv.raw
    if pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & pdfium.FPDF_FORMFLAG_TEXT_PASSWORD:
        return ""
    return _wide(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))


def _string(annotation: pdfium.FPDF_ANNOTATION, name: bytes) -> str:
    return _wide(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, name, buffer, size))


def _wide(read: Callable[[object, int], int]) -> str:
    size = read(None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    read(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00")
