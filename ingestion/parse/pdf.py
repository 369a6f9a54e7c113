"""PDF: what each page shows, with its number, in reading order. Text that no page shows is hidden content."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.cleaning import MARKER, clean, refuse_markers
from ingestion.parse.document import Head, Reason, Refused, listed
from ingestion.parse.pdf_annotations import Laid, page_as_shown
from ingestion.parse.pdf_attached import Attached
from ingestion.parse.pdf_budget import budget_of
from ingestion.parse.pdf_glyphs import passages, with_spaces, without, words
from ingestion.parse.pdf_hidden import Examiner
from ingestion.parse.pdf_layout import Region, by_lines, is_laid_out, regions
from ingestion.parse.pdf_lines import Run
from ingestion.parse.pdf_lists import are_apart
from ingestion.parse.pdf_marked import Sections
from ingestion.parse.pdf_paragraphs import WRITTEN_MARKER, paragraphs, whole_words, words_of_line
from ingestion.parse.pdf_rows import add_rows
from ingestion.parse.pieces import Pieces
from rag.hidden_content import HiddenKind

PAGES_MAX = 5_000
RUNS_MAX = 5_000
"""Stretches of text on a page that are put in order; a page with more is read as it comes."""


def extract(data: bytes, pieces: Pieces) -> Head:
    document = opened(data)
    if len(document) > PAGES_MAX:
        raise Refused(Reason.TOO_MUCH_TEXT, f"more than {PAGES_MAX} pages")
    if len(document) == 0:
        raise Refused(Reason.BROKEN, "no pages")
    document.init_forms()
    attached = Attached(pieces)
    attached.of_document(document)
    examiner, sections = Examiner(budget_of(pieces)), Sections()
    without_text: list[int] = []
    any_text = False
    for number in range(1, len(document) + 1):
        page, laid = page_as_shown(document, number, pieces, attached.add)
        images = examiner.images
        found = _page(page, number, pieces, laid, examiner, sections)
        any_text |= found
        # A scan remains one, whatever was typed upon it.
        if not found or (laid.alone and examiner.images > images):
            without_text.append(number)
        page.close()
    _note(examiner, len(document), pieces)
    head = Head("application/pdf", _title(document))
    awaiting = bool(without_text) and pieces.await_pages(without_text)
    attached.read(awaiting=awaiting)
    if awaiting:
        return head
    if not any_text and not attached.any_read:
        raise _refusal(examiner)
    if without_text:
        pieces.note(f"no text on {listed(without_text)} of {len(document)} pages")
    return head


def _note(examiner: Examiner, pages: int, pieces: Pieces) -> None:
    if examiner.undrawn:
        pieces.note(f"{examiner.undrawn} of {pages} pages examined by rules alone and not drawn")
    if examiner.unexamined:
        pieces.note(f"text on {examiner.unexamined} of {pages} pages too costly to draw and taken for hidden")


def _refusal(examiner: Examiner) -> Refused:
    """Of a document without text."""
    if examiner.unexamined:
        return Refused(Reason.TIMED_OUT, "its text is too costly to draw")
    return Refused(Reason.IMAGE_ONLY, "" if examiner.images else "no page holds an image either")


def opened(data: bytes) -> pypdfium2.PdfDocument:
    """
    Raises:
        Refused: encrypted, or broken.
    """
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as cause:
        # The library gives the engine's code as an attribute in some releases and as text in others.
        locked = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD or "password" in str(cause).lower()
        raise Refused(Reason.ENCRYPTED if locked else Reason.BROKEN) from None


def _page(
    page: pypdfium2.PdfPage, number: int, pieces: Pieces, laid: Laid, examiner: Examiner, sections: Sections
) -> bool:
    """Append what a page shows, in reading order, and count what it does not; returns whether it shows any text."""
    text = page.get_textpage()
    everything = text.get_text_range()
    glyphs = examiner.unseen(page, text)
    unseen = with_spaces(text, glyphs) if glyphs else frozenset()
    if unseen:
        pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, " ".join(passages(text, unseen)), page=number)
    whole = without(text, unseen) if unseen else everything
    markers = WRITTEN_MARKER.findall(everything)
    shown = len(WRITTEN_MARKER.findall(whole))
    if shown < len(markers):
        raise Refused(Reason.BAD_MARKER, f"hidden in part on page {number}")
    if laid.written and any("/" in marker for marker in markers):
        # What is laid over the page comes last, where the section may have ended above which it stands.
        raise Refused(Reason.BAD_MARKER, f"below fields or remarks on page {number}")
    refuse_markers((run.text for run in laid.added), f"in a field or remark on page {number}")
    if "[" in whole and len(MARKER.findall(clean(whole_words(whole)))) != shown:
        raise Refused(Reason.BAD_MARKER, f"in pieces on page {number}")
    added = tuple(run.text for run in laid.added)
    if markers:
        # What is put in another order may leave the section that it was written in.
        stretches = sections.lines(text, unseen, WRITTEN_MARKER)
        found = [add([Region(lines=(lines,))], number, pieces, beside=beside) for lines, beside in stretches]
        return any([*found, add([Region(lines=added)], number, pieces)])
    return add(_laid_out(text, unseen, laid, whole) or [Region(lines=(whole, *added))], number, pieces)


def add(page: Sequence[Region], number: int, pieces: Pieces, *, beside: bool = False) -> bool:
    """Append the paragraphs and rows of a page; returns whether there were any. `beside`: see `Piece`."""
    found = False
    for region in page:
        for paragraph in paragraphs("\n".join(region.lines)):
            pieces.add(paragraph, page=number, beside=beside)
            found = True
        if region.rows:
            add_rows(region.rows, number, pieces)
            found = True
    return found


def _laid_out(text: pypdfium2.PdfTextPage, unseen: frozenset[int], laid: Laid, whole: str) -> list[Region]:
    """The page by columns and tables, if it has any. Words are asked for only then: they are what costs."""
    by_places = bool(laid.written) or are_apart(whole)
    if unseen or laid.written:
        runs = [replace(run, text=whole_words(run.text)) for run in words(text, unseen)] + laid.added
        if len(runs) > RUNS_MAX:
            return []
        found = regions(runs) if is_laid_out(runs) else []
        return found or [by_lines(runs)] * by_places
    count = text.count_rects()
    if count > RUNS_MAX:
        return []
    places = [Run(*text.get_rect(index)) for index in range(count)]
    if not (by_places or is_laid_out(places)):
        return []
    runs = [run for run in (_with_words(place, text) for place in places) if run.text]
    return regions(runs) or [by_lines(runs)] * by_places


def _with_words(place: Run, text: pypdfium2.PdfTextPage) -> Run:
    found = text.get_text_bounded(place.left, place.bottom, place.right, place.top)
    return replace(place, text=words_of_line(found))


def _title(document: pypdfium2.PdfDocument) -> str:
    title = str(document.get_metadata_dict().get("Title", ""))
    # What programs put there by themselves is no title.
    return "" if re.search(r"\.\w{2,5}$|^(?:microsoft word|untitled)", title, re.I) else title


def sample(shown: bytes = b"/F 9 Tf 9 9 Td (a) Tj") -> bytes:
    """A page of our own, to load the engine with."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 299 99]/Contents 4 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<</Length %d>>stream\nBT %s ET\nendstream" % (len(shown) + 6, shown),
    )
    body = b"%PDF-1.4\n" + b"".join(b"%d 0 obj%s\nendobj\n" % (n, o) for n, o in enumerate(objects, 1))
    return body + b"trailer<</Root 1 0 R/Size 5>>\n%%EOF\n"
