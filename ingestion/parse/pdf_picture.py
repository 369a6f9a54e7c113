"""A page of a PDF as a picture of what it shows. Used inside confined children only."""

import io

import pypdfium2

from ingestion.parse import pdf
from ingestion.parse.answer import refused
from ingestion.parse.document import Reason, Refused
from ingestion.parse.layout import LONG_SIDE_PX

SCALE_MAX = 4.0
POINTS_PER_INCH = 72


def rendered(page: pypdfium2.PdfPage) -> tuple[pypdfium2.PdfBitmap, float]:
    """What the page shows, and its pixels per point. Comments and the contents of form fields are not part of it."""
    scale = min(SCALE_MAX, LONG_SIDE_PX / max(*page.get_size(), 1.0))
    return page.render(scale=scale, may_draw_forms=False, draw_annots=False), scale


def png(document: bytes, page: int) -> bytes:
    """Page number `page` (from 1) as PNG, which says its resolution and nothing else of the document.

    Raises:
        Refused: the document cannot be opened.
    """
    bitmap, scale = rendered(pdf.opened(document)[page - 1])
    written = io.BytesIO()
    dots_per_inch = scale * POINTS_PER_INCH
    bitmap.to_pil().save(written, "PNG", dpi=(dots_per_inch, dots_per_inch))
    return written.getvalue()


def served(document: bytes, page: int) -> tuple[dict[str, object], bytes]:
    """Answer the parent's question for a picture: that, or why there is none."""
    try:
        return {}, png(document, page)
    except Refused as refusal:
        return refused(refusal), b""
    except MemoryError:
        return refused(Refused(Reason.MEMORY)), b""
    except Exception as cause:  # noqa: BLE001 - whatever a library raises on a hostile page
        return refused(Refused(Reason.BROKEN, type(cause).__name__)), b""
