"""What a PDF page is drawn of: text, images and shapes at their places, in the order of drawing, also in forms."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2
import pypdfium2.raw as pdfium

OBJECTS_MAX = 300_000
"""On a page; maps and drawings have a hundred thousand."""
DEPTH_MAX = 8
"""Of forms within forms; pages drawn by programs have one or two."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top; in points of the page."""
Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Placed:
    """An object. `order` rises as the page is drawn; `top` is the index of what it stands in among the page's own."""

    handle: pdfium.FPDF_PAGEOBJECT
    order: int
    top: int
    matrix: Matrix | None
    """Of the form it stands in; None for the page itself."""

    def box(self) -> Box:
        """Empty where the engine knows of none."""
        sides = [ctypes.c_float() for _ in range(4)]
        if not pdfium.FPDFPageObj_GetBounds(self.handle, *sides):
            return 0.0, 0.0, 0.0, 0.0
        left, bottom, right, top = (side.value for side in sides)
        if self.matrix is None:
            return left, bottom, right, top
        a, b, c, d, e, f = self.matrix
        corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
        across, up = [x for x, _ in corners], [y for _, y in corners]
        return min(across), min(up), max(across), max(up)

    def pixels(self) -> int:
        """Of an image, as it is unpacked."""
        across, up = ctypes.c_uint(), ctypes.c_uint()
        pdfium.FPDFImageObj_GetImagePixelSize(self.handle, across, up)
        return across.value * up.value


@dataclass(slots=True)
class Objects:
    """Those of a page. `complete` is false where there are more than are looked at, `deep`: forms hold some."""

    texts: list[Placed] = field(default_factory=list)
    images: list[Placed] = field(default_factory=list)
    shapes: list[Placed] = field(default_factory=list)
    count: int = 0
    complete: bool = True
    deep: bool = False


def key(handle: pdfium.FPDF_PAGEOBJECT) -> int:
    """The same for every handle of an object."""
    return ctypes.addressof(handle.contents)


def objects(page: pypdfium2.PdfPage, at_most: int = OBJECTS_MAX) -> Objects:
    found = Objects()
    kinds = {
        pdfium.FPDF_PAGEOBJ_TEXT: found.texts,
        pdfium.FPDF_PAGEOBJ_IMAGE: found.images,
        pdfium.FPDF_PAGEOBJ_PATH: found.shapes,
        pdfium.FPDF_PAGEOBJ_SHADING: found.shapes,
    }
    for placed, kind, depth in _walk(page):
        found.count += 1
        if found.count > at_most:
            found.complete = False
            break
        found.deep |= kind == pdfium.FPDF_PAGEOBJ_FORM and depth == DEPTH_MAX
        if kind in kinds:
            kinds[kind].append(placed)
    return found


def _walk(page: pypdfium2.PdfPage) -> Iterator[tuple[Placed, int, int]]:
    order = 0
    for top in range(pdfium.FPDFPage_CountObjects(page.raw)):
        stack: list[tuple[pdfium.FPDF_PAGEOBJECT, Matrix | None, int]] = [
            (pdfium.FPDFPage_GetObject(page.raw, top), None, 0)
        ]
        while stack:
            handle, matrix, depth = stack.pop()
            kind = pdfium.FPDFPageObj_GetType(handle)
            order += 1
            yield Placed(handle, order, top, matrix), kind, depth
            if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < DEPTH_MAX:
                inner = _within(handle, matrix or _SAME)
                below = min(pdfium.FPDFFormObj_CountObjects(handle), OBJECTS_MAX)
                stack += [
                    (pdfium.FPDFFormObj_GetObject(handle, index), inner, depth + 1)
                    for index in range(below - 1, -1, -1)
                ]


def _within(form: pdfium.FPDF_PAGEOBJECT, outer: Matrix) -> Matrix:
    own = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(form, own):
        return outer
    a, b, c, d, e, f = outer
    return (
        own.a * a + own.b * c,
        own.a * b + own.b * d,
        own.c * a + own.d * c,
        own.c * b + own.d * d,
        own.e * a + own.f * c + e,
        own.e * b + own.f * d + f,
    )
