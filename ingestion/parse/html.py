"""HTML: what a reader of the page sees. Text that the page hides is hidden content."""

import re
from collections.abc import Iterator

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from ingestion.parse.document import DEPTH_MAX, Head, Reason, Refused
from ingestion.parse.pieces import Names, Pieces, refuse_markers
from ingestion.parse.plain import decode
from rag.hidden_content import HiddenKind


def _tags(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_NEVER_SHOWN = _tags(
    "audio button canvas datalist embed head iframe link math meta noscript object script",
    "select style svg template textarea title video",
)
_BLOCKS = _tags(
    "address article aside blockquote body caption center dd details div dl dt fieldset",
    "figcaption figure footer form header hr html li main nav ol p pre section summary table",
    "tbody td tfoot th thead tr ul",
)
# Elements whose end tag may be left out do not nest in themselves; unclosed ones would look deep.
_NOT_COUNTED = _tags(
    "area base body br col colgroup dd dt embed head hr html img input li link meta optgroup",
    "option p param rp rt source tbody td tfoot th thead tr track wbr",
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)(?:[^<>]*?(/?))>")
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*(?:\.0+)?\s*(?:;|$|!)"
    r"|font-size\s*:\s*0*(?:\.0+)?\s*(?:px|pt|em|rem|%)?\s*(?:;|$|!)"
    r"|(?:left|top|text-indent)\s*:\s*-\d{3,}",
    re.I,
)
_COLOR = re.compile(r"(?<![-\w])color\s*:\s*([^;!]+)", re.I)
_BACKGROUND = re.compile(r"background(?:-color)?\s*:\s*([^;!]+)", re.I)
_WHITE = frozenset(("white", "#fff", "#ffffff", "rgb(255,255,255)", "rgba(255,255,255,1)", "transparent"))
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE_SELECTOR = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)?(?:([.#])([\w-]+))?")


def extract(data: bytes, pieces: Pieces) -> Head:
    title = collect(_text(data), pieces)
    return Head("text/html", title)


def collect(text: str, pieces: Pieces) -> str:
    """Append the visible text of a page or fragment; returns the page's title.

    Raises:
        Refused: too_deep, bad_marker.
    """
    if not text.strip():
        return ""
    _refuse_depth(text)
    refuse_markers(_comments(text), "in a comment")
    # Characters that XML cannot carry end the parser's reading of the page; comments carry no visible text.
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        root = document_fromstring(text.replace("\x00", "").encode("utf-8", "replace"), parser=parser)
    except etree.ParserError:
        return ""  # a fragment with nothing but comments
    _Page(root, pieces).walk()
    return root.findtext(".//title") or ""


def _text(data: bytes) -> str:
    declared = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([a-zA-Z0-9_-]{2,20})", data[:4096], re.I)
    if declared:
        try:
            return data.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass  # a wrong declaration is common; the bytes decide
    return decode(data)


def _comments(text: str) -> Iterator[str]:
    """One pass, however many are left open."""
    at = text.find("<!--")
    while at >= 0:
        end = text.find("-->", at)
        end = len(text) if end < 0 else end
        yield text[at:end]
        at = text.find("<!--", end)


def _refuse_depth(text: str) -> None:
    depth = 0
    for closing, name, self_closed in _TAG.findall(text):
        if name.lower() in _NOT_COUNTED or self_closed:
            continue
        depth = max(0, depth - 1) if closing else depth + 1
        if depth > 2 * DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP)


class _Page:
    """Walks the tree with a stack of its own: the depth of a page is the sender's choice."""

    def __init__(self, root: HtmlElement, pieces: Pieces) -> None:
        self._root = root
        self._pieces = pieces
        self._hidden_by_sheet = _hidden_selectors(root)
        self._buffer: list[str] = []
        self._preformatted = 0

    def walk(self) -> None:
        stack: list[tuple[HtmlElement, bool]] = [(self._root, False)]
        while stack:
            element, leaving = stack.pop()
            if leaving:
                self._leave(element)
                continue
            if not isinstance(element.tag, str) or self._hidden(element):
                self._unseen(element)
                self._buffer.append(self._flow(element.tail))
                continue
            if element.tag == "table" and not element.xpath(".//table"):
                self._flush()
                self._table(element)
                self._buffer.append(self._flow(element.tail))
                continue
            self._enter(element)
            stack.append((element, True))
            stack.extend((child, False) for child in reversed(element))
        self._flush()

    def _enter(self, element: HtmlElement) -> None:
        if element.tag in _BLOCKS or _heading(element):
            self._flush()
        if element.tag == "br":
            self._buffer.append("\n")
        if element.tag == "li":
            self._buffer.append("- ")
        self._preformatted += element.tag == "pre"
        self._buffer.append(self._flow(element.text))

    def _leave(self, element: HtmlElement) -> None:
        if element.tag in _BLOCKS or _heading(element):
            self._flush(_heading(element))
        self._preformatted -= element.tag == "pre"
        self._buffer.append(self._flow(element.tail))

    def _flow(self, text: str | None) -> str:
        """Text in the flow of a page: line breaks of the source are spaces."""
        return (text or "") if self._preformatted else re.sub(r"\s+", " ", text or "")

    def _flush(self, heading: int = 0) -> None:
        text = "".join(self._buffer)
        self._buffer.clear()
        if text.strip(" \n-"):
            self._pieces.add(text, heading=heading)

    def _table(self, table: HtmlElement) -> None:
        names = Names[list[str]]()
        for row in table.iter("tr"):
            if any(self._hidden(one) for one in (row, *row.iterancestors())):
                self._unseen(row)
                continue
            cells = [self._visible(cell) for cell in row if cell.tag in ("td", "th") and not self._unseen(cell)]
            self._pieces.table_row(names, cells)
        if names.now and len(list(table.iter("tr"))) == 1:
            self._pieces.add("; ".join(names.now))

    def _visible(self, cell: HtmlElement) -> str:
        parts: list[str] = []
        stack: list[tuple[HtmlElement, bool]] = [(cell, False)]
        while stack:
            element, leaving = stack.pop()
            if leaving:
                parts.append(" " if element.tag in _BLOCKS else "")
            elif isinstance(element.tag, str) and (element is cell or not self._hidden(element)):
                parts.append(" " if element.tag == "br" else element.text or "")
                stack.append((element, True))
                stack.extend((child, False) for child in reversed(element))
                continue
            else:
                self._unseen(element)
            if element is not cell:
                parts.append(element.tail or "")
        return " ".join("".join(parts).split())

    def _unseen(self, element: HtmlElement) -> bool:
        """Whether the page hides the element; if so, its text is counted. What is never text is not."""
        if not isinstance(element.tag, str) or not self._hidden(element):
            return False
        if element.tag not in _NEVER_SHOWN:
            self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, " ".join(_texts(element)))
        return True

    def _hidden(self, element: HtmlElement) -> bool:
        if element.tag in _NEVER_SHOWN or "hidden" in element.attrib or element.get("aria-hidden") == "true":
            return True
        style = element.get("style", "")
        if element.tag == "input" or _HIDING.search(style) or _white_on_white(element, style):
            return True
        names = {element.tag, *(f".{name}" for name in element.get("class", "").split()), f"#{element.get('id', '')}"}
        names |= {f"{element.tag}{name}" for name in names if name[0] in ".#"}
        return not self._hidden_by_sheet.isdisjoint(names)


def _texts(root: HtmlElement) -> Iterator[str]:
    """The text below an element, without that of elements that never show any."""
    stack: list[HtmlElement | str] = [root]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            yield one
            continue
        below: list[HtmlElement | str] = []
        if isinstance(one.tag, str) and one.tag not in _NEVER_SHOWN:
            below += [one.text or "", *one]
        stack.extend(reversed(below if one is root else [*below, one.tail or ""]))


def _white_on_white(element: HtmlElement, style: str) -> bool:
    """Whether it is white on paper that is white. Where a class or an id may colour the paper, nothing is assumed."""
    color = _COLOR.search(style)
    if not color or re.sub(r"\s+", "", color.group(1)).lower() not in _WHITE:
        return False
    for one in (element, *element.iterancestors()):
        background = _BACKGROUND.search(one.get("style", ""))
        if background or "bgcolor" in one.attrib:
            paper = background.group(1) if background else one.get("bgcolor", "")
            return re.sub(r"\s+", "", paper).lower() in _WHITE - {"transparent"}
        if "class" in one.attrib or "id" in one.attrib:
            return False
    return True


def _hidden_selectors(root: HtmlElement) -> frozenset[str]:
    """Simple selectors (`p`, `.x`, `#x`, `p.x`) that the page's own style sheets hide."""
    hidden: set[str] = set()
    for sheet in root.iter("style"):
        for selectors, rules in _RULE.findall(re.sub(r"/\*.*?\*/", "", sheet.text or "", flags=re.S)):
            if _HIDING.search(rules):
                hidden.update(name.strip() for name in selectors.split(",") if _SIMPLE_SELECTOR.fullmatch(name.strip()))
    return frozenset(hidden - {""})


def _heading(element: HtmlElement) -> int:
    tag = element.tag
    return int(tag[1]) if isinstance(tag, str) and len(tag) == 2 and tag[0] == "h" and tag[1] in "123456" else 0
