"""Files that try to break a reader, made on the spot, each with the reason it must be reported with."""

import io
import zipfile
from collections.abc import Callable

import docx
from fpdf import FPDF
from fpdf.enums import EncryptionMethod

from ingestion.parse.document import ARCHIVE_BYTES_MAX, Reason

GOOD = b"# Opening hours\n\nThe canteen is open from eleven to two.\n"


def pdf(*pages: str, password: str | None = None) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=12)
    for text in pages:
        document.add_page()
        if text:
            document.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")
    if password is not None:
        document.set_encryption(
            owner_password=password, user_password=password, encryption_method=EncryptionMethod.AES_128
        )
    return bytes(document.output())


def word(fill: Callable[["docx.document.Document"], None]) -> bytes:
    document = docx.Document()
    fill(document)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def word_with_body(body: bytes) -> bytes:
    """A Word document with `body` as the bytes of its main part."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(word(lambda document: None))) as source,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target,
    ):
        for name in source.namelist():
            target.writestr(name, body if name == "word/document.xml" else source.read(name))
    return written.getvalue()


def hostile_files() -> dict[str, tuple[bytes, Reason]]:
    """By name: the bytes and the reason. Names end as their sender wants to be believed."""
    good_word = word(lambda document: document.add_paragraph("A paragraph that nobody will read."))
    good_pdf = pdf("A page that nobody will read.")
    office = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    paragraph = "<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>"
    entities = f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]><w:document {office}><w:body>{paragraph}</w:body></w:document>'
    other_archive = io.BytesIO()
    with zipfile.ZipFile(other_archive, "w") as archive:
        archive.writestr("readme.txt", "not a Word document")
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    old_office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1200)
    return {
        "empty.txt": (b"", Reason.EMPTY),
        "blank.md": (b" \n\n\t\n", Reason.EMPTY),
        "empty-page.html": (b"<html><body><p hidden>nothing to see</p></body></html>", Reason.EMPTY),
        "bomb.docx": (word_with_body(bytes(ARCHIVE_BYTES_MAX + 1)), Reason.ARCHIVE_BOMB),
        "entities.docx": (word_with_body(entities.encode()), Reason.ARCHIVE_BOMB),
        "deep.html": (b"<div>" * 200_000 + b"text" + b"</div>" * 200_000, Reason.TOO_DEEP),
        "deep.md": (b">" * 100_000 + b" text", Reason.TOO_DEEP),
        "deep-list.md": (b"".join(b"  " * n + b"- x\n" for n in range(300)), Reason.TOO_DEEP),
        "deep.docx": (
            word_with_body(
                f"<w:document {office}><w:body>{'<w:p>' * 3000}{'</w:p>' * 3000}</w:body></w:document>".encode()
            ),
            Reason.TOO_DEEP,
        ),
        "deep.eml": (_nested_mail(200), Reason.TOO_DEEP),
        "cut.docx": (good_word[: len(good_word) // 2], Reason.BROKEN),
        "cut.pdf": (good_pdf[:40], Reason.BROKEN),
        "locked.pdf": (pdf("A secret page.", password="made-up"), Reason.ENCRYPTED),
        "locked.docx": (locked, Reason.ENCRYPTED),
        "old.docx": (old_office, Reason.WRONG_TYPE),
        "really-a.docx": (good_pdf, Reason.WRONG_TYPE),
        "really-a.pdf": (good_word, Reason.WRONG_TYPE),
        "really-an-archive.docx": (other_archive.getvalue(), Reason.WRONG_TYPE),
        "really-text.pdf": (b"just text, whatever the name says", Reason.WRONG_TYPE),
        "really-a-page.txt": (b"<!doctype html><html><body>page</body></html>", Reason.WRONG_TYPE),
        "really-an-image.txt": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200), Reason.WRONG_TYPE),
        "not-a-message.eml": (b"Dear all,\nthis is no e-mail message.\n", Reason.WRONG_TYPE),
        "noise.txt": (bytes((n * 7919 + n // 256) % 256 for n in range(4096)), Reason.NOT_TEXT),
        "scan.pdf": (pdf("", ""), Reason.IMAGE_ONLY),
        "sheet.xlsx": (other_archive.getvalue(), Reason.UNSUPPORTED_TYPE),
        "endless.txt": (b"word " * 100_000, Reason.TOO_MUCH_TEXT),
        "marker.md": (b"open\n\n[ringfence level=cosmic]\n\nhidden\n", Reason.BAD_MARKER),
    }


def _nested_mail(depth: int) -> bytes:
    head = b"From: a@example.com\nSubject: nested\n"
    body = b"Content-Type: text/plain\n\ntext\n"
    for number in range(depth):
        mark = b"b%d" % number
        body = (
            b'Content-Type: multipart/mixed; boundary="'
            + mark
            + b'"\n\n--'
            + mark
            + b"\n"
            + body
            + b"\n--"
            + mark
            + b"--\n"
        )
    return head + body
