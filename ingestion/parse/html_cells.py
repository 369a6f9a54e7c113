"""The cells of a table on a page, row by row, each with the text that it shows."""

from dataclasses import dataclass, field

from lxml.html import HtmlElement

from ingestion.parse.cleaning import one_line
from ingestion.parse.html_flow import BLOCKS, NEVER_SHOWN, texts, walk
from ingestion.parse.html_looks import Look, Looks
from ingestion.parse.pieces import Pieces
from rag.hidden_content import HiddenKind

_SPAN_DIGITS_MAX = 5
_WRAPPERS = frozenset(("p", "div", "span", "font", "b", "strong"))


@dataclass(frozen=True, slots=True)
class Cell:
    """`is_head`: it names a column or a row. `is_strong`: all of it is printed in bold. Spans are at least 1."""

    text: str = field(repr=False)
    is_head: bool = False
    is_strong: bool = False
    columns: int = 1
    rows: int = 1


EMPTY = Cell("")


def cells_of(table: HtmlElement, around: Look, looks: Looks, pieces: Pieces) -> tuple[str, list[list[Cell]]]:
    """The caption, and the rows without what the page hides of them, which is counted."""
    captions: list[str] = []
    rows: list[list[Cell]] = []
    stack = [(table, around, False)]
    while stack:
        element, look, in_head = stack.pop()
        if not isinstance(element.tag, str) or element.tag in NEVER_SHOWN:
            continue
        if element.tag in ("td", "th", "caption"):
            text = _text(element, look, looks, pieces)
            if element.tag == "caption":
                captions.append(text)
            elif looks.of(element, look) is not None:
                rows = rows or [[]]
                rows[-1].append(_cell(element, text, in_head=in_head))
            continue
        own = looks.of(element, look)
        if own is None:
            pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, " ".join(texts(element)))
            continue
        if element.tag == "tr":
            rows.append([])
        stack.extend((child, own, in_head or element.tag == "thead") for child in reversed(element))
    return " ".join(captions), rows


def _cell(element: HtmlElement, text: str, *, in_head: bool) -> Cell:
    is_head = in_head or element.tag == "th"
    return Cell(text, is_head, _is_strong(element), _span(element, "colspan"), _span(element, "rowspan"))


def _span(element: HtmlElement, name: str) -> int:
    """Any number may stand there."""
    digits = element.get(name, "").strip()
    return max(1, int(digits)) if digits.isascii() and digits.isdigit() and len(digits) <= _SPAN_DIGITS_MAX else 1


def _is_strong(element: HtmlElement) -> bool:
    while not (element.text or "").strip() and len(element) == 1 and not (element[0].tail or "").strip():
        element = element[0]
        if element.tag not in _WRAPPERS:
            return False
        if element.tag in ("b", "strong"):
            return True
    return False


def _text(cell: HtmlElement, around: Look, looks: Looks, pieces: Pieces) -> str:
    sink = _CellText(pieces)
    walk(cell, around, looks, sink)
    return sink.all()


class _CellText:
    """A `Sink` of one line."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._shown: list[str] = []
        self._unseen: list[str] = []

    def all(self) -> str:
        self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, " ".join(self._unseen))
        return one_line("".join(self._shown))

    def text(self, text: str) -> None:
        self._shown.append(text)

    def line(self) -> None:
        self._shown.append(" ")

    def unseen(self, text: str) -> None:
        self._unseen.append(text)

    def enter(self, element: HtmlElement) -> None:
        if element.tag in BLOCKS or element.tag == "li":
            self._shown.append(" ")

    leave = enter

    def table(self, table: HtmlElement, around: Look) -> bool:
        return False
