"""The inside of a parser process: bytes in, one JSON object out. Everything here runs confined."""

import codecs
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from encodings.aliases import aliases

from ingestion.parse import archive, mail, pdf, slides, word, workbook
from ingestion.parse.document import Extracted, Reason, Refused
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


def parse(data: bytes, suffix: str, *, chars_max: int, indexed: frozenset[HiddenKind]) -> dict[str, object]:
    """The result as the parent reads it: what was extracted, or why it was refused."""
    pieces = Pieces(chars_max, read, indexed)
    try:
        return _extracted(pieces.done(read(data, suffix, pieces)))
    except Refused as refusal:
        return _refused(refusal)
    except MemoryError:
        return _refused(Refused(Reason.MEMORY))


def work(document: int, result: int, request: Mapping[str, object], cut: Sequence[str]) -> None:
    """Do what the parent asks with the document, and write the answer: a line of JSON, then bytes if it asked for some.

    `cut` says what was taken from this process, for the report.
    """
    with os.fdopen(document, "rb") as source:
        answer, payload = archive.served(source, request) if request["task"] != "parse" else (None, b"")
        if answer is None:
            indexed = frozenset(HiddenKind(kind) for kind in str(request["indexed"]).split())
            chars_max = int(str(request["text_chars_max"]))
            answer = parse(source.read(), str(request["suffix"]), chars_max=chars_max, indexed=indexed)
    line = json.dumps({**answer, "cut": list(cut)}, ensure_ascii=False).encode("utf-8", "replace")
    with os.fdopen(result, "wb") as sink:
        sink.write(line + b"\n")
        sink.write(payload)


def _extracted(extracted: Extracted) -> dict[str, object]:
    wire = asdict(extracted)
    wire["pieces"] = [[piece.text, piece.heading, piece.page, piece.part, piece.beside] for piece in extracted.pieces]
    return wire


def _refused(refusal: Refused) -> dict[str, object]:
    return {"reason": str(refusal.reason), "detail": refusal.detail}
