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
    SLIDES = "a PowerPoint presentation"
    WORKBOOK = "an Excel workbook"
    TABLE = "a CSV table"
    TABBED = "a table with tabs"
    JSON = "JSON"
    JSON_LINES = "JSON lines"
    CODE = "source code"
    MARKUP = "a text with markup"
    MAIL = "an e-mail message"
    MAILBOX = "a mailbox"
    ARCHIVE = "an archive"


_CODE = (
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .groovy .go .rs .c .h .cc .cpp .cxx .hh .hpp .cs .fs "
    ".swift .m .rb .php .pl .pm .lua .r .jl .sh .bash .zsh .ps1 .bat .sql .proto .graphql .tf .cmake .gradle .dart "
    ".ex .exs .erl .hs .clj .vb .yaml .yml .toml .ini .cfg .conf .properties .xml .xsd .css .scss"
)

BY_SUFFIX: dict[str, Kind] = {
    **dict.fromkeys(_CODE.split(), Kind.CODE),
    ".rst": Kind.MARKUP,
    ".tex": Kind.MARKUP,
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
    ".pptx": Kind.SLIDES,
    ".xlsx": Kind.WORKBOOK,
    ".csv": Kind.TABLE,
    ".tsv": Kind.TABBED,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSON_LINES,
    ".ndjson": Kind.JSON_LINES,
    ".eml": Kind.MAIL,
    ".mbox": Kind.MAILBOX,
    ".zip": Kind.ARCHIVE,
}

_XML_START = re.compile(r"\s*+(?:<\?xml[^>]*+>\s*+)?+")
_HTML_START = re.compile(r"<(?:!doctype\s+html|html[\s>])", re.I)
_SPACES = re.compile(r"\s*+")
_MAIL_START = re.compile(r"(?:From [^\n]*\n)?(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+", re.M)
_MAIL_FIELD = re.compile(r"^(?:from|to|subject|date|received|message-id|mime-version)\s*:", re.I | re.M)
_MAILBOX_START = re.compile(rb"From [^\n]*\n[!-9;-~]+:")
_OFFICE = {
    "word/document.xml": Kind.WORD,
    "ppt/presentation.xml": Kind.SLIDES,
    "xl/workbook.xml": Kind.WORKBOOK,
}
_BINARY = (Kind.PDF, Kind.ARCHIVE, *_OFFICE.values())
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
        return _container(data, named)
    if data.startswith(_COMPOUND_FILE):
        # Office keeps a document with a password in a compound file that holds this stream.
        encrypted = "EncryptedPackage".encode("utf-16-le") in data
        raise Refused(Reason.ENCRYPTED if encrypted else _other(named), "it is an older Office file" * (not encrypted))
    if named in _BINARY and not _is_text(data):
        raise Refused(Reason.WRONG_TYPE, _magic(data) or "the content is of no known type")
    return None


def _container(data: bytes, named: Kind | None) -> Kind:
    """An Office document by its main part, else an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, EOFError, OSError):
        # A document cut short has no directory: it is broken rather than lying.
        return named if named in _BINARY and named is not Kind.PDF else Kind.ARCHIVE
    return next((kind for part, kind in _OFFICE.items() if part in names), Kind.ARCHIVE)


def _text_kind(data: bytes, named: Kind | None) -> Kind:
    magic = _magic(data) if not _is_text(data) else ""
    if magic:
        raise Refused(_other(named), magic)
    text = decode(data)
    if _begins_a_page(text) and named not in (Kind.CODE, Kind.MARKUP):
        return Kind.HTML
    if named is Kind.MAILBOX:
        return Kind.MAILBOX if _MAILBOX_START.match(data.replace(b"\r\n", b"\n")) else Kind.PLAIN
    if named is Kind.MAIL:
        head = _MAIL_START.match(text.replace("\r\n", "\n").lstrip("\n"))
        return Kind.MAIL if head and _MAIL_FIELD.search(head.group()) else Kind.PLAIN
    # Any text may be Markdown, a table of one column, or a fragment of HTML.
    return Kind.PLAIN if named is None or named in _BINARY else named


def _begins_a_page(text: str) -> bool:
    """Whether the first thing behind any comments says that it is HTML."""
    at = _past(_XML_START, text, 0)
    while text.startswith("<!--", at):
        end = text.find("-->", at + 4)
        if end < 0:
            return False
        at = _past(_SPACES, text, end + 3)
    return _HTML_START.match(text, at) is not None


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


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
