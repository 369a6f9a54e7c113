"""HTML: what a reader of the page sees. Text that the page hides is hidden content."""

import re

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from ingestion.parse import html_table
from ingestion.parse.cleaning import MARKER, clean, one_line, refuse_markers
from ingestion.parse.document import Head, Piece, Reason, Refused
from ingestion.parse.html_flow import BLOCKS, flowed, walk
from ingestion.parse.html_looks import Look, Looks
from ingestion.parse.html_source import add_body_attributes, comments, refuse_depth, unended
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode, decode_declared
from rag.hidden_content import HiddenKind

_CHARSET = re.compile(rb"<meta[^>]+charset\s*+=\s*+[\"']?+\s*+([a-zA-Z0-9_:-]{2,20})", re.I)
_LETTERS = 26


def extract(data: bytes, pieces: Pieces) -> Head:
    title = collect(decoded(data), pieces)
    return Head("text/html", title)


def collect(text: str, pieces: Pieces) -> str:
    """Append the visible text of a page or fragment; returns the page's title.

    Raises:
        Refused: too_deep, bad_marker.
    """
    if not text.strip():
        return ""
    refuse_depth(text)
    refuse_markers(comments(text), "in a comment")
    begin = pieces.count
    # Characters that XML cannot carry end the parser's reading of the page; comments carry no visible text.
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        root = document_fromstring(unended(text.replace("\x00", "")).encode("utf-8", "replace"), parser=parser)
    except etree.ParserError:
        return ""  # a fragment with nothing but comments
    add_body_attributes(text, root, [problem.message for problem in parser.error_log])
    looks = Looks(root)
    page = _Page(pieces, looks)
    walk(root, looks.outset, looks, page)
    page.flush()
    _refuse_lost_markers(root, pieces.since(begin))
    titles = (one for one in root.iter("title") if next(one.iterancestors("svg"), None) is None)
    return next((one.text or "" for one in titles), "")


def decoded(data: bytes) -> str:
    """The page as text, in the encoding that it declares of itself."""
    declared = _CHARSET.search(data[:4096])
    charset = declared.group(1).decode("ascii").lower() if declared else ""
    # Whoever could read the declaration has not read UTF-16.
    return decode_declared(data, "utf-8" if charset.startswith("utf-16") else charset) if charset else decode(data)


def _refuse_lost_markers(root: HtmlElement, read: list[Piece]) -> None:
    """Every marker of the page must have been read, wherever a part of it stands.

    What is left out is that of elements that show nothing, of fields, and of text of which only one half is hidden.
    """
    everything = len(MARKER.findall(clean("".join(root.itertext()))))
    if everything > sum(len(MARKER.findall(piece.text)) for piece in read if not piece.beside):
        raise Refused(Reason.BAD_MARKER, "hidden in part, or in an element that shows no text")


class _Page:
    """A `Sink` of paragraphs."""

    def __init__(self, pieces: Pieces, looks: Looks) -> None:
        self._pieces = pieces
        self._looks = looks
        self._buffer: list[str] = []
        self._unseen: list[str] = []
        self._preformatted = 0
        self._lists: list[_List] = []
        self._bullet = ""

    def text(self, text: str) -> None:
        if self._unseen and text.strip():
            self._hide()
        self._buffer.append(text if self._preformatted else flowed(text))

    def line(self) -> None:
        self._buffer.append("\n")

    def unseen(self, text: str) -> None:
        self._unseen.append(text)

    def enter(self, element: HtmlElement) -> None:
        if element.tag in BLOCKS or _heading(element):
            self.flush()
        if element.tag in ("ol", "ul"):
            self._lists.append(_List(element))
        elif element.tag == "li":
            self._bullet = self._lists[-1].bullet(element) if self._lists else "- "
        self._preformatted += element.tag in ("pre", "textarea")

    def leave(self, element: HtmlElement) -> None:
        if element.tag in BLOCKS or _heading(element):
            self.flush(_heading(element))
        if element.tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        elif element.tag == "li":
            self._bullet = ""
        self._preformatted -= element.tag in ("pre", "textarea")

    def table(self, table: HtmlElement, around: Look) -> bool:
        if html_table.is_layout(table):
            return False
        self.flush()
        html_table.read(table, around, self._looks, self._pieces)
        return True

    def flush(self, heading: int = 0) -> None:
        self._hide()
        text = "".join(self._buffer)
        self._buffer.clear()
        if not text.strip():
            return
        if (
            self._bullet
            and not heading
            and not self._preformatted
            and not ("[" in text and MARKER.match(one_line(text)))
        ):
            text = self._bullet + text.strip()
        self._bullet = ""
        self._pieces.add(text, heading=heading, verbatim=bool(self._preformatted))

    def _hide(self) -> None:
        self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, " ".join(self._unseen))
        self._unseen.clear()


class _List:
    """What stands before the items of a list."""

    def __init__(self, element: HtmlElement) -> None:
        self._ordered = element.tag == "ol"
        self._letter = {"a": "a", "A": "A"}.get(element.get("type", ""), "")
        self._next = _whole(element.get("start", ""), 1)

    def bullet(self, item: HtmlElement) -> str:
        if not self._ordered:
            return "- "
        number = _whole(item.get("value", ""), self._next)
        self._next = number + 1
        return f"{chr(ord(self._letter) + number - 1) if self._letter and 1 <= number <= _LETTERS else number}. "


def _whole(digits: str, otherwise: int) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else otherwise


def _heading(element: HtmlElement) -> int:
    tag = element.tag
    return int(tag[1]) if isinstance(tag, str) and len(tag) == 2 and tag[0] == "h" and tag[1] in "123456" else 0
