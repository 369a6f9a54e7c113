"""Plain text: any encoding, paragraphs by empty lines."""

import codecs
import re

from charset_normalizer import from_bytes

from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.pieces import Pieces

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_GUESSED_FROM = 200_000
_MEANT: dict[str, str] = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""What mail programs and browsers read under a name, by the codec of that name. Source: WHATWG Encoding Standard."""
_NO_CHARSETS = frozenset(("utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs"))
"""Text codecs that no program shows a text by: what is read would not be what people see."""


def decode(data: bytes) -> str:
    """Bytes as text: by byte order mark, as UTF-8, else by what the bytes look like.

    Raises:
        Refused: not_text.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    text = _decoded(data, encoding)
    if text is None:
        text = data.decode(_guess(data[:_GUESSED_FROM]), "replace")
    if "\x00" in text:
        raise Refused(Reason.NOT_TEXT)
    return text


def decode_declared(data: bytes, charset: str) -> str:
    """Bytes as text in the encoding that their sender names, as programs understand it; else as `decode` has it.

    Raises:
        Refused: not_text.
    """
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return decode(data)
    if codec in _NO_CHARSETS or data.startswith(tuple(mark for mark, _ in _MARKS)):
        return decode(data)
    if codec == "ascii":  # more often left there by mistake than meant
        text = _decoded(data, "utf-8")
        return data.decode("cp1252", "replace") if text is None else text
    try:
        text = _decoded(data, _MEANT.get(codec, codec))
    except LookupError:  # no encoding of texts
        text = None
    if text is None and _MEANT.get(codec) == "cp1252":
        return data.decode("cp1252", "replace")
    return decode(data) if text is None else text


def _decoded(data: bytes, encoding: str) -> str | None:
    """The text, also where a few bytes of many are damaged; None where the encoding is another one.

    Text in another encoding is hardly ever valid for more than single characters.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
    damaged = text.count("\ufffd")
    intact = sum(not char.isascii() for char in text) - damaged
    return text if damaged * 4 <= intact else None


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
