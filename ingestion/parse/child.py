"""The inside of a parser process: bytes in, one JSON object out. Everything here runs confined."""

import codecs
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from encodings.aliases import aliases
from typing import IO

from ingestion.parse import archive, mail, pdf, pdf_picture, slides, word, workbook
from ingestion.parse.answer import extracted, refused, write
from ingestion.parse.document import Reason, Refused
from ingestion.parse.formats import read
from ingestion.parse.pieces import Pieces
from rag.hidden_content import HiddenKind

_SAMPLES: tuple[tuple[str, bytes], ...] = (
    (".md", b"# T\n\na | b\n--|--\n1 | 2\n"),
    (".txt", b"text \xe4\xf6\xfc in some encoding, long enough to be guessed from the bytes alone"),
    (".html", b"<html><body><p hidden>x</p><p>y</p></body></html>"),
    (".csv", b"a,b\n1,2\n"),
    (".json", b'{"a": [1.5]}'),
    (".txt", b"\x89PNG\r\n\x1a\n\x00"),
)


def preload() -> None:
    """Load all that extraction loads lazily: later there is no filesystem to load it from."""
    for encoding in {*aliases.values(), "utf_8_sig"}:
        with suppress(LookupError):  # those of other systems
            codecs.lookup(encoding)
    made = (
        (".pdf", pdf.sample()),
        (".docx", word.sample()),
        (".pptx", slides.sample()),
        (".xlsx", workbook.sample()),
        (".eml", mail.sample()),
        (".mbox", b"From a@b\n" + mail.sample()),
        (".zip", archive.sample()),
    )
    for suffix, sample in (*_SAMPLES, *made):
        parse(sample, suffix, chars_max=1000, indexed=frozenset(HiddenKind))
    pdf_picture.png(pdf.sample(), 1)


def parse(
    data: bytes, suffix: str, *, chars_max: int, indexed: frozenset[HiddenKind], awaiting: bool = False
) -> dict[str, object]:
    """The result as the parent reads it: what was extracted, or why it was refused. `awaiting`: see `Pieces`."""
    pieces = Pieces(chars_max, read, indexed, awaiting=awaiting)
    try:
        return extracted(pieces.done(read(data, suffix, pieces)))
    except Refused as refusal:
        return refused(refusal)
    except MemoryError:
        return refused(Refused(Reason.MEMORY))


def work(document: int, result: int, request: Mapping[str, object], cut: Sequence[str]) -> None:
    """Do what the parent asks with the document, and write the answer: a line of JSON, then bytes if it asked for some.

    `cut` says what was taken from this process, for the report.
    """
    with os.fdopen(document, "rb") as source:
        answer, payload = _done(source, request)
    write(result, answer, cut, payload)


def _done(source: IO[bytes], request: Mapping[str, object]) -> tuple[Mapping[str, object], bytes]:
    if request["task"] == "picture":
        return pdf_picture.served(source.read(), int(str(request["page"])))
    if request["task"] != "parse":
        return archive.served(source, request)
    indexed = frozenset(HiddenKind(kind) for kind in str(request["indexed"]).split())
    chars_max, awaiting = int(str(request["text_chars_max"])), request.get("awaiting") is True
    suffix = str(request["suffix"])
    return parse(source.read(), suffix, chars_max=chars_max, indexed=indexed, awaiting=awaiting), b""
