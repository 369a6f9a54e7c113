"""What a PDF page holds and does not show: text that is not painted, white on white, beside the page; and comments."""

import ctypes
from collections.abc import Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pieces import Pieces
from rag.hidden_content import HiddenKind

_NEVER_PAINTED = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
_WHITE_FROM = 250
_SMALLEST_PT = 0.5
_PAINTS = (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_FORM)
_COMMENTS = (pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_POPUP, pdfium.FPDF_ANNOT_HIGHLIGHT, pdfium.FPDF_ANNOT_CARET)
ANNOTATIONS_MAX = 2_000
DEPTH_MAX = 8
"""Of forms within forms; pages drawn by programs have one or two."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def take_out(page: pypdfium2.PdfPage, number: int, pieces: Pieces) -> bool:
    """Remove the text that the page does not show, counting it. Returns whether the page holds an image."""
    objects = list(page.get_objects(max_depth=DEPTH_MAX))
    images = any(one.type == pdfium.FPDF_PAGEOBJ_IMAGE for one in objects)
    texts = [one for one in objects if one.type == pdfium.FPDF_PAGEOBJ_TEXT]
    grounds = [_box(one) for one in objects if one.level == 0 and one.type in _PAINTS and not _is_white(one)]
    shown = page.get_bbox()
    unseen = [one for one in texts if _is_unseen(one, grounds, shown, scanned=images)]
    if unseen:
        textpage = page.get_textpage()
        read = [_text(one, textpage) for one in unseen]
        textpage.close()
        for one in unseen:
            page.remove_obj(one)
        pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, " ".join(read), page=number)
    for comment in _comments(page):
        pieces.add_hidden(HiddenKind.COMMENT, comment, page=number)
    return images


def _is_unseen(one: pypdfium2.PdfObject, grounds: list[Box], shown: Box, *, scanned: bool) -> bool:
    mode = pdfium.FPDFTextObj_GetTextRenderMode(one.raw)
    if mode in _NEVER_PAINTED:
        # Text recognition writes what it read of a scan unpainted over the image: that is how the page is read.
        return not scanned
    if one.level:
        return False  # its place is that of a form within the page, not the page's
    box = _box(one)
    if not _meet(box, shown) or box[3] - box[1] < _SMALLEST_PT:
        return True
    return _is_white(one) and not any(_meet(box, ground) for ground in grounds)


def _is_white(one: pypdfium2.PdfObject) -> bool:
    if one.type not in (pdfium.FPDF_PAGEOBJ_TEXT, pdfium.FPDF_PAGEOBJ_PATH):
        return False
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFPageObj_GetFillColor(one.raw, red, green, blue, alpha):
        return False
    return alpha.value == 0 or min(red.value, green.value, blue.value) >= _WHITE_FROM


def _box(one: pypdfium2.PdfObject) -> Box:
    left, bottom, right, top = one.get_bounds()
    return left, bottom, right, top


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _text(one: pypdfium2.PdfObject, textpage: pypdfium2.PdfTextPage) -> str:
    size = pdfium.FPDFTextObj_GetText(one.raw, textpage.raw, None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDFTextObj_GetText(one.raw, textpage.raw, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00")


def _comments(page: pypdfium2.PdfPage) -> Iterator[str]:
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), ANNOTATIONS_MAX)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            if pdfium.FPDFAnnot_GetSubtype(annotation) in _COMMENTS:
                yield _contents(annotation)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _contents(annotation: pdfium.FPDF_ANNOTATION) -> str:
    size = pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00")
