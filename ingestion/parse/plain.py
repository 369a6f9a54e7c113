"""Plain text: any encoding, paragraphs by empty lines."""

import re

from charset_normalizer import from_bytes

from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.pieces import Pieces

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_GUESSED_FROM = 200_000


def decode(data: bytes) -> str:
    """Bytes as text: by byte order mark, as UTF-8, else by what the bytes look like.

    Raises:
        Refused: not_text.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(_guess(data[:_GUESSED_FROM]), "replace")
    if "\x00" in text:
        raise Refused(Reason.NOT_TEXT)
    return text


def _guess(data: bytes) -> str:
    """The encoding that the bytes look like; among equals the one that western offices use.

    Raises:
        Refused: not_text.
    """
    found = from_bytes(data)
    best = found.best()
    if best is None:
        raise Refused(Reason.NOT_TEXT)
    western = any("cp1252" in match.could_be_from_charset for match in found if match.chaos <= best.chaos)
    return "cp1252" if western else best.encoding


def paragraphs(text: str) -> list[str]:
    return re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n"))


def extract(data: bytes, pieces: Pieces) -> Head:
    for paragraph in paragraphs(decode(data)):
        pieces.add(paragraph)
    return Head("text/plain")
