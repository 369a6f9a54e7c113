"""Honest documents of every format, small, and the means to put something else into them."""

import functools
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from email.message import EmailMessage

import docx
import openpyxl
import pptx

TEXT = "The canteen is open from eleven to two."
WORD_NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MAIN_PARTS = {".docx": "word/document.xml", ".pptx": "ppt/slides/slide1.xml", ".xlsx": "xl/worksheets/sheet1.xml"}


def word(fill: Callable[["docx.document.Document"], object]) -> bytes:
    document = docx.Document()
    fill(document)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def workbook(fill: Callable[["openpyxl.Workbook"], object]) -> bytes:
    book = openpyxl.Workbook()
    fill(book)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def slides(fill: Callable[["pptx.presentation.Presentation"], object]) -> bytes:
    deck = pptx.Presentation()
    fill(deck)
    written = io.BytesIO()
    deck.save(written)
    return written.getvalue()


def archive(members: Mapping[str, bytes | str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return written.getvalue()


def with_part(document: bytes, part: str, body: bytes) -> bytes:
    """An Office document with `body` as the bytes of one of its parts."""
    with zipfile.ZipFile(io.BytesIO(document)) as source:
        return archive({name: body if name == part else source.read(name) for name in source.namelist()})


def mail(
    text: str, attachments: Mapping[str, bytes] | None = None, enclosed: EmailMessage | None = None
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = "ann@example.com", "Canteen"
    message.set_content(text)
    for name, content in (attachments or {}).items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    if enclosed is not None:
        message.add_attachment(enclosed)
    return message


def pdf(text: str) -> bytes:
    """One page, written by hand: no library that reads documents is needed for it."""
    shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("latin-1", "replace")
    return pdf_of(b"BT /F 12 Tf 40 700 Td (" + shown + b") Tj ET")


def pdf_of(content: bytes, *, dictionary: bytes = b"", kids: bytes = b"[3 0 R]") -> bytes:
    """A page with these bytes as its content stream. Readers find the objects without a table of their places."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids" + kids + b"/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<<%s/Length %d>>stream\n%s\nendstream" % (dictionary, len(content), content),
    )
    body = b"".join(b"%d 0 obj%s\nendobj\n" % (number, one) for number, one in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R/Size 5>>\n%%EOF\n"


@functools.cache
def honest() -> dict[str, bytes]:
    """By suffix: one document of each format, that says `TEXT`."""

    def one_slide(deck: "pptx.presentation.Presentation") -> None:
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = TEXT

    message = mail(TEXT, {"hours.csv": b"Day,Hours\nMonday,11-14\n"})
    return {
        ".txt": TEXT.encode(),
        ".md": f"# Hours\n\n{TEXT}\n".encode(),
        ".html": f"<html><body><h1>Hours</h1><p>{TEXT}</p></body></html>".encode(),
        ".pdf": pdf(TEXT),
        ".docx": word(lambda document: document.add_paragraph(TEXT)),
        ".pptx": slides(one_slide),
        ".xlsx": workbook(lambda book: book.active.append([TEXT])),
        ".csv": f"Day,Hours\nMonday,{TEXT}\n".encode(),
        ".json": json.dumps({"canteen": {"hours": TEXT}}).encode(),
        ".jsonl": json.dumps({"hours": TEXT}).encode() + b"\n",
        ".eml": message.as_bytes(),
        ".mbox": b"From ann@example.com Thu Jan  1 00:00:00 2026\n" + message.as_bytes(),
        ".zip": archive({"hours.txt": TEXT}),
        ".py": f"def hours():\n    return {TEXT!r}\n".encode(),
    }
