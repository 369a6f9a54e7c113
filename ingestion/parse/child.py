"""The inside of a parser process: bytes in, one JSON object out. Everything here runs confined."""

import codecs
import json
import os
from collections.abc import Callable
from contextlib import suppress
from encodings.aliases import aliases

from lxml import etree

from ingestion.parse import html, mail, markdown, pdf, plain, table, word
from ingestion.parse.confine import Limits
from ingestion.parse.document import Extracted, Reason, Refused
from ingestion.parse.sniff import Kind, kind_of

Extract = Callable[[bytes, int], Extracted]

EXTRACTORS: dict[Kind, Extract] = {
    Kind.PLAIN: plain.extract,
    Kind.MARKDOWN: markdown.extract,
    Kind.HTML: html.extract,
    Kind.PDF: pdf.extract,
    Kind.WORD: word.extract,
    Kind.TABLE: table.extract,
    Kind.MAIL: mail.extract,
}

_SAMPLES: tuple[tuple[str, bytes], ...] = (
    (".md", b"# T\n\na | b\n--|--\n1 | 2\n"),
    (".txt", b"text \xe4\xf6\xfc in some encoding, long enough to be guessed from the bytes alone"),
    (".html", b"<html><body><p hidden>x</p><p>y</p></body></html>"),
    (".csv", b"a,b\n1,2\n"),
    (".eml", b"From: a@b\nSubject: =?utf-8?q?t?=\nContent-Type: text/plain; charset=utf-8\n\nx\n"),
    (".txt", b"\x89PNG\r\n\x1a\n\x00"),
)


def preload() -> None:
    """Load all that extraction loads lazily: later there is no filesystem to load it from."""
    for encoding in {*aliases.values(), "utf_8_sig"}:
        with suppress(LookupError):  # those of other systems
            codecs.lookup(encoding)
    for suffix, sample in (*_SAMPLES, (".pdf", pdf.sample()), (".docx", word.sample())):
        parse(sample, suffix, chars_max=1000)


def parse(data: bytes, suffix: str, *, chars_max: int) -> dict[str, object]:
    """The result as the parent reads it: what was extracted, or why it was refused."""
    try:
        return _extracted(EXTRACTORS[kind_of(data, suffix)](data, chars_max))
    except Refused as refusal:
        return _refused(refusal.reason, refusal.detail)
    except MemoryError:
        return _refused(Reason.MEMORY, "")
    except RecursionError:
        return _refused(Reason.TOO_DEEP, "")
    except etree.LxmlError as cause:
        deep = "depth" in str(cause).lower()
        return _refused(Reason.TOO_DEEP if deep else Reason.BROKEN, type(cause).__name__)
    except Exception as cause:  # noqa: BLE001 - whatever a library raises on hostile bytes is one refused document
        return _refused(Reason.BROKEN, type(cause).__name__)


def work(document: int, result: int, suffix: str, limits: Limits, *, filesystem_cut: bool) -> None:
    with os.fdopen(document, "rb") as source:
        data = source.read()
    answer = {**parse(data, suffix, chars_max=limits.text_chars_max), "filesystem_cut": filesystem_cut}
    with os.fdopen(result, "wb") as sink:
        sink.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


def _extracted(extracted: Extracted) -> dict[str, object]:
    return {
        "media_type": extracted.media_type,
        "title": extracted.title,
        "pieces": [[piece.text, piece.heading, piece.page] for piece in extracted.pieces],
        "notes": list(extracted.notes),
    }


def _refused(reason: Reason, detail: str) -> dict[str, object]:
    return {"reason": str(reason), "detail": detail}
