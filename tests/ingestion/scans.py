"""PDF pages with and without text, and what is made of them."""

import io

import pypdfium2
from fpdf import FPDF

from ingestion.parse.document import ParsedDocument

LEASE_SIZE = 400, 560
"""Width and height, in points, of the page of `lease`."""


def pdf(*pages: int | str) -> bytes:
    """A page without text of such a width for each number, and a page with text for each text."""
    made = FPDF(unit="pt")
    made.set_font("Helvetica", size=11)
    for page in pages:
        made.add_page(format=(page, 90) if isinstance(page, int) else (400, 90))
        if isinstance(page, str):
            made.text(20, 40, page)
    return bytes(made.output())


def shown(parsed: ParsedDocument) -> list[tuple[int | None, str]]:
    return [(block.page, block.text) for block in parsed.blocks]


def scan(written: FPDF) -> bytes:
    """An image of each page, as a scanner makes it."""
    images = FPDF(unit="pt")
    images.set_auto_page_break(False)
    for page in pypdfium2.PdfDocument(bytes(written.output())):
        picture = io.BytesIO()
        page.render(scale=3).to_pil().save(picture, "PNG")
        images.add_page(format=page.get_size())
        images.image(picture, 0, 0, *page.get_size())
    return bytes(images.output())


def page_of(*texts: tuple[int, int, int, str], onto: FPDF | None = None) -> FPDF:
    """A page with texts, each at a place and of a size in points."""
    written = onto or FPDF(unit="pt", format=(300, 120))
    written.add_page()
    for left, top, size, text in texts:
        written.set_font("Helvetica", size=size)
        written.text(left, top, text)
    return written


def lease() -> FPDF:
    """A page with one of everything, each at the place where the weights of `docling_models` see such a thing."""
    width, height = LEASE_SIZE
    written = FPDF(unit="pt", format=LEASE_SIZE)
    written.set_auto_page_break(False)
    written.add_page()

    def text(left: float, base: float, size: int, words: str) -> None:
        written.set_font("Helvetica", size=size)
        written.text(left * width, base * height, words)

    text(0.06, 0.05, 10, "Acme Property Ltd")
    text(0.06, 0.135, 22, "Lease of Harbour House")
    text(0.06, 0.2, 15, "Rent and term")
    text(0.06, 0.25, 11, "The lease of Harbour House ends in May 2031.")
    text(0.06, 0.29, 11, "It was signed by Ann Lee.")
    text(0.09, 0.35, 11, "- The rent is paid monthly.")
    text(0.09, 0.39, 11, "- Pets are allowed.")
    text(0.06, 0.45, 11, "Table 1: Rent by hall")
    for row, cells in enumerate((("Hall", "Rent"), ("three", "400"), ("four", "520"))):
        for column, cell in enumerate(cells):
            text(0.12 + 0.45 * column, 0.505 + 0.05 * row, 12, cell)
    text(0.1, 0.72, 14, "Seal of Acme")
    text(0.06, 0.89, 9, "1 Without heating.")
    text(0.06, 0.97, 9, "Page 1 of 1")
    return written
