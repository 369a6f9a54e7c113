"""PDF: the text of each page, with its number."""

import re

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.document import Extracted, Reason, Refused
from ingestion.parse.pieces import Pieces, clean

PAGES_MAX = 5_000
_WRAPPED_FROM = 0.7
"""A line at least this long, compared with the longest of its page, goes on in the next one."""
_ITEM = re.compile(r"(?:[-*\u2022\u2023\u25aa\u2013]|\d{1,3}[.)]|\(?[a-z]\))\s")
_MARKER = re.compile(r"\[/?ringfence\b", re.I)


def extract(data: bytes, chars_max: int) -> Extracted:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as cause:
        # The library gives the engine's code as an attribute in some releases and as text in others.
        locked = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD or "password" in str(cause).lower()
        raise Refused(Reason.ENCRYPTED if locked else Reason.BROKEN) from None
    if len(document) > PAGES_MAX:
        raise Refused(Reason.TOO_MUCH_TEXT, f"more than {PAGES_MAX} pages")
    if len(document) == 0:
        raise Refused(Reason.BROKEN, "no pages")
    pieces = Pieces(chars_max)
    without_text = 0
    for index in range(len(document)):
        page = document[index]
        paragraphs = _paragraphs(page.get_textpage().get_text_range())
        for paragraph in paragraphs:
            pieces.add(paragraph, page=index + 1)
        without_text += not paragraphs
        page.close()
    if without_text == len(document):
        raise Refused(Reason.IMAGE_ONLY)
    notes = (f"{without_text} of {len(document)} pages hold no text",) if without_text else ()
    return pieces.done("application/pdf", _title(document), notes=notes)


def _title(document: pypdfium2.PdfDocument) -> str:
    title = str(document.get_metadata_dict().get("Title", ""))
    # What programs put there by themselves is no title.
    return "" if re.search(r"\.\w{2,5}$|^(?:microsoft word|untitled)", title, re.I) else title


def _paragraphs(text: str) -> list[str]:
    """Lines put together again where the page's width broke them: names must not stay cut in two."""
    text = re.sub("[\ufffe\x02]\\s*\n?", "", text.replace("\r\n", "\n"))
    lines = [clean(line) for line in text.split("\n")]
    longest = max((len(line) for line in lines), default=0)
    paragraphs: list[str] = []
    goes_on = False
    for line in lines:
        if not line:
            goes_on = False
            continue
        if goes_on and not _begins(line, paragraphs[-1]):
            paragraphs[-1] += f" {line}"
        else:
            paragraphs.append(line)
        full = len(line) >= _WRAPPED_FROM * longest
        goes_on = "]" not in paragraphs[-1] if _MARKER.match(paragraphs[-1]) else full
    return paragraphs


def _begins(line: str, before: str) -> bool:
    """Whether a line begins something although the one before was full: a marker, an item, a heading."""
    heading = (
        before[-1] in ".!?:" and len(line) < 60 and line[-1] not in ".,;!?" and (line[0].isupper() or line[0].isdigit())
    )
    return heading or _MARKER.match(line) is not None or _ITEM.match(line) is not None


def sample() -> bytes:
    """A page of our own, to load the engine with."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<</Length 27>>stream\nBT /F 9 Tf 9 9 Td (a) Tj ET\nendstream",
    )
    body = b"%PDF-1.4\n" + b"".join(b"%d 0 obj%s\nendobj\n" % (n, o) for n, o in enumerate(objects, 1))
    return body + b"trailer<</Root 1 0 R/Size 5>>\n%%EOF\n"
