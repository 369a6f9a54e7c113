"""Files that try to break a reader, made on the spot, each with the reason it must be reported with."""

import functools

from evals.hostile.samples import (
    MAIN_PARTS,
    WORD_NAMESPACE,
    archive,
    honest,
    mail,
    pdf,
    pdf_of,
    with_part,
)
from ingestion.parse.document import ARCHIVE_BYTES_MAX, ARCHIVE_MEMBERS_MAX, Reason

_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@functools.cache
def known_files() -> dict[str, tuple[bytes, Reason]]:
    """By name: the bytes and the reason. Names end as their sender wants to be believed."""
    locked = _COMPOUND_FILE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    return {
        **_containers(),
        **_nested(),
        "empty.txt": (b"", Reason.EMPTY),
        "blank.md": (b" \n\n\t\n", Reason.EMPTY),
        "empty-page.html": (b"<html><body><p hidden>nothing to see</p></body></html>", Reason.EMPTY),
        "empty.json": (b'{"a": null, "b": []}', Reason.EMPTY),
        "empty.zip": (archive({}), Reason.EMPTY),
        "locked.docx": (locked, Reason.ENCRYPTED),
        "locked.xlsx": (locked, Reason.ENCRYPTED),
        "locked.zip": (_marked_encrypted(honest()[".zip"]), Reason.ENCRYPTED),
        "old.docx": (_COMPOUND_FILE + bytes(1200), Reason.WRONG_TYPE),
        "really-a.docx": (pdf("text"), Reason.WRONG_TYPE),
        "really-a.pdf": (honest()[".docx"], Reason.WRONG_TYPE),
        "really-a.pptx": (honest()[".xlsx"], Reason.WRONG_TYPE),
        "really-an-archive.docx": (archive({"readme.txt": "no Word document"}), Reason.WRONG_TYPE),
        "really-an-archive.xlsx": (archive({"readme.txt": "no workbook"}), Reason.WRONG_TYPE),
        "really-text.pdf": (b"just text, whatever the name says", Reason.WRONG_TYPE),
        "really-text.zip": (b"just text, whatever the name says", Reason.WRONG_TYPE),
        "really-a-page.txt": (b"<!doctype html><html><body>page</body></html>", Reason.WRONG_TYPE),
        "really-an-image.txt": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200), Reason.WRONG_TYPE),
        "not-a-message.eml": (b"Dear all,\nthis is no e-mail message.\n", Reason.WRONG_TYPE),
        "not-a-mailbox.mbox": (b"Dear all,\nthis is no mailbox.\n", Reason.WRONG_TYPE),
        "no-reader.odt": (archive({"content.xml": "<x/>"}), Reason.UNSUPPORTED_TYPE),
        "noise.txt": (bytes((n * 7919 + n // 256) % 256 for n in range(4096)), Reason.NOT_TEXT),
        "endless.txt": (b"word " * 100_000, Reason.TOO_MUCH_TEXT),
        "endless.jsonl": ((b'{"a": "' + b"w " * 2500 + b'"}\n') * 90, Reason.TOO_MUCH_TEXT),
        "wide.csv": (b"a" + b",a" * 2000 + b"\n" + b"1" + b",1" * 2000 + b"\n", Reason.BROKEN),
        "marker.md": (b"open\n\n[ringfence level=cosmic]\n\nhidden\n", Reason.BAD_MARKER),
        "hidden-marker.html": (b"<p>open</p><p hidden>[/ringfence]</p><p>more</p>", Reason.BAD_MARKER),
        "ended-by-attachment.eml": (
            mail("[ringfence level=secret]\n\nclosed\n", {"a.txt": b"[/ringfence]\n\nopen?\n"}).as_bytes(),
            Reason.BAD_MARKER,
        ),
    }


def _containers() -> dict[str, tuple[bytes, Reason]]:
    """Bombs, entities, archives with tricks, and what was cut short."""
    found: dict[str, tuple[bytes, Reason]] = {
        "bomb.zip": (archive({"a.txt": bytes(ARCHIVE_BYTES_MAX + 1)}), Reason.ARCHIVE_BOMB),
        "many.zip": (archive({f"{number}.txt": b"" for number in range(ARCHIVE_MEMBERS_MAX + 1)}), Reason.ARCHIVE_BOMB),
        "own-labels.zip": (archive({"ringfence.yaml": "level: secret", "a.txt": "closed"}), Reason.UNLABELLED),
        "cut.pdf": (pdf("text")[:40], Reason.BROKEN),
        "cut.json": (b'{"a": [1, 2', Reason.BROKEN),
        "cut.jsonl": (b'{"a": 1}\n{"a": ', Reason.BROKEN),
        "cut.zip": (honest()[".zip"][:60], Reason.BROKEN),
        "loop.pdf": (pdf_of(b"", kids=b"[2 0 R 2 0 R]"), Reason.BROKEN),
    }
    for suffix, part in MAIN_PARTS.items():
        found[f"cut{suffix}"] = (honest()[suffix][: len(honest()[suffix]) // 2], Reason.BROKEN)
        found[f"entities{suffix}"] = (with_part(honest()[suffix], part, entities()), Reason.ARCHIVE_BOMB)
    found["bomb.docx"] = (
        with_part(honest()[".docx"], MAIN_PARTS[".docx"], bytes(ARCHIVE_BYTES_MAX + 1)),
        Reason.ARCHIVE_BOMB,
    )
    return found


def _nested() -> dict[str, tuple[bytes, Reason]]:
    body = f"<w:document {WORD_NAMESPACE}><w:body>{'<w:p>' * 3000}{'</w:p>' * 3000}</w:body></w:document>"
    return {
        "deep.html": (b"<div>" * 200_000 + b"text" + b"</div>" * 200_000, Reason.TOO_DEEP),
        "deep.md": (b">" * 100_000 + b" text", Reason.TOO_DEEP),
        "deep-list.md": (b"".join(b"  " * n + b"- x\n" for n in range(300)), Reason.TOO_DEEP),
        "deep.docx": (with_part(honest()[".docx"], MAIN_PARTS[".docx"], body.encode()), Reason.TOO_DEEP),
        "deep.json": (b"[" * 200_000 + b"]" * 200_000, Reason.TOO_DEEP),
        "deeper-than-honest.json": (b'{"a":' * 300 + b"1" + b"}" * 300, Reason.TOO_DEEP),
        "deep.eml": (nested_multiparts(200), Reason.TOO_DEEP),
    }


def entities() -> bytes:
    """A billion laughs, as the main part of a Word document."""
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    paragraph = "<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>"
    declared = f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]>'
    return f"{declared}<w:document {WORD_NAMESPACE}><w:body>{paragraph}</w:body></w:document>".encode()


def nested_multiparts(depth: int) -> bytes:
    body = b"Content-Type: text/plain\n\ntext\n"
    for number in range(depth):
        mark = b"b%d" % number
        body = b'Content-Type: multipart/mixed; boundary="%s"\n\n--%s\n%s\n--%s--\n' % (mark, mark, body, mark)
    return b"From: a@example.com\nSubject: nested\n" + body


def nested_archives(depth: int, innermost: bytes) -> bytes:
    """An archive in an archive, so many times."""
    for _ in range(depth):
        innermost = archive({"inner.zip": innermost})
    return innermost


def _marked_encrypted(data: bytes) -> bytes:
    """An archive whose directory says of its first member that it has a password."""
    at = data.index(b"PK\x01\x02") + 8
    return data[:at] + bytes([data[at] | 1]) + data[at + 1 :]
