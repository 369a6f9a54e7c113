"""What a document is: by its content, held against its name. Used inside the confined child only."""

import io
import re
import zipfile
from enum import Enum

import puremagic

from ingestion.parse.document import Reason, Refused
from ingestion.parse.plain import decode


class Kind(Enum):
    PLAIN = "plain text"
    MARKDOWN = "Markdown"
    HTML = "HTML"
    PDF = "PDF"
    WORD = "a Word document"
    TABLE = "a CSV table"
    MAIL = "an e-mail message"


BY_SUFFIX: dict[str, Kind] = {
    ".txt": Kind.PLAIN,
    ".text": Kind.PLAIN,
    ".log": Kind.PLAIN,
    ".md": Kind.MARKDOWN,
    ".markdown": Kind.MARKDOWN,
    ".html": Kind.HTML,
    ".htm": Kind.HTML,
    ".xhtml": Kind.HTML,
    ".pdf": Kind.PDF,
    ".docx": Kind.WORD,
    ".csv": Kind.TABLE,
    ".tsv": Kind.TABLE,
    ".eml": Kind.MAIL,
}

_HTML_START = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I | re.S)
_MAIL_START = re.compile(r"(?:From [^\n]*\n)?(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+", re.M)
_MAIL_FIELD = re.compile(r"^(?:from|to|subject|date|received|message-id|mime-version)\s*:", re.I | re.M)
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def kind_of(data: bytes, suffix: str) -> Kind:
    """The kind that name and content agree on.

    Raises:
        Refused: empty, wrong_type, unsupported_type, encrypted, not_text.
    """
    if not data.strip(b"\x00\t\n\r \xef\xbb\xbf\xff\xfe"):
        raise Refused(Reason.EMPTY)
    named = BY_SUFFIX.get(suffix.lower())
    if named is None and suffix:
        raise Refused(Reason.UNSUPPORTED_TYPE, _printable(suffix))
    found = _binary_kind(data, named) or _text_kind(data, named)
    if named is not None and found is not named:
        raise Refused(Reason.WRONG_TYPE, f"named {_printable(suffix)}, but it is {found.value}")
    return found


def _binary_kind(data: bytes, named: Kind | None) -> Kind | None:
    """The kind of a binary format we read; None for text."""
    if data[:1024].lstrip(b"\x00\t\n\r \xef\xbb\xbf").startswith(b"%PDF-"):
        return Kind.PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if _is_word(data, named):
            return Kind.WORD
        raise Refused(Reason.UNSUPPORTED_TYPE if named is None else Reason.WRONG_TYPE, "it is another archive")
    if data.startswith(_COMPOUND_FILE):
        # Office keeps a document with a password in a compound file that holds this stream.
        encrypted = "EncryptedPackage".encode("utf-16-le") in data
        raise Refused(Reason.ENCRYPTED if encrypted else _other(named), "it is an older Office file" * (not encrypted))
    if named in (Kind.PDF, Kind.WORD) and not _is_text(data):
        raise Refused(Reason.WRONG_TYPE, _magic(data) or "the content is of no known type")
    return None


def _is_word(data: bytes, named: Kind | None) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "word/document.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError):
        # A document cut short has no directory: it is broken rather than lying.
        return named is Kind.WORD


def _text_kind(data: bytes, named: Kind | None) -> Kind:
    magic = _magic(data) if not _is_text(data) else ""
    if magic:
        raise Refused(_other(named), magic)
    text = decode(data)
    if _HTML_START.match(text):
        return Kind.HTML
    if named is Kind.MAIL:
        head = _MAIL_START.match(text.replace("\r\n", "\n").lstrip("\n"))
        return Kind.MAIL if head and _MAIL_FIELD.search(head.group()) else Kind.PLAIN
    # Any text may be Markdown, a table of one column, or a fragment of HTML.
    return Kind.PLAIN if named in (None, Kind.PDF, Kind.WORD) else named


def _other(named: Kind | None) -> Reason:
    return Reason.UNSUPPORTED_TYPE if named is None else Reason.WRONG_TYPE


def _is_text(data: bytes) -> bool:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    head = data[:65536]
    controls = sum(head.count(byte) for byte in (*range(0x00, 0x08), *range(0x0E, 0x1B), *range(0x1C, 0x20)))
    return b"\x00" not in head and controls * 100 <= len(head)


def _magic(data: bytes) -> str:
    """What a binary file is, in words, or nothing."""
    try:
        matches = puremagic.magic_string(data[:262144])
    except (puremagic.PureError, ValueError, IndexError):
        return ""
    best = next((match for match in matches if match.confidence >= 0.4 and match.extension), None)
    return f"it looks like {_printable(best.extension)}" if best else ""


def _printable(suffix: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]", "?", suffix)[:12]
