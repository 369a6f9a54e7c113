"""The text of a page in its order, element by element: what shows goes one way, and what does not another.

Walks with a stack of its own: the depth of a page is the sender's choice.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from lxml.html import HtmlElement

from ingestion.parse.cleaning import refuse_markers
from ingestion.parse.document import Reason, Refused
from ingestion.parse.html_looks import Look, Looks


def tags(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


NEVER_SHOWN = tags(
    "annotation annotation-xml audio canvas clippath datalist defs desc embed head iframe link mask meta metadata",
    "noscript object pattern script style symbol template title video",
)
BLOCKS = tags(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset",
    "figcaption figure footer form header hr html legend li main nav ol p pre section summary table",
    "tbody td textarea tfoot th thead tr ul",
)
_FIELDS = tags("text search email url tel number date time month week datetime-local submit button reset")
"""Inputs that show their value as it is."""
_SENTENCE_WORDS = 3
_DEPTH_MAX = 250
"""Of the parsed page, where an element is in all that it was put into; libxml2 leaves out what is below 256."""


class Sink(Protocol):
    """Takes what a page says, in order."""

    def text(self, text: str) -> None: ...

    def line(self) -> None:
        """A line ends here."""

    def unseen(self, text: str) -> None:
        """Text that the page hides."""

    def enter(self, element: HtmlElement) -> None: ...

    def leave(self, element: HtmlElement) -> None: ...

    def table(self, table: HtmlElement, around: Look) -> bool:
        """Take a table as a whole, if it is one of data; False to have it read like anything else."""
        ...


def walk(root: HtmlElement, around: Look, looks: Looks, sink: Sink) -> None:
    """Read an element and all below it; what follows it is not part of it.

    Raises:
        Refused: too_deep; bad_marker, in a text that only stands for something.
    """
    stack: list[tuple[HtmlElement | str, Look, bool]] = [(root, around, False)]
    depth = 0
    while stack:
        one, look, leaving = stack.pop()
        if isinstance(one, str):
            _say(one, look, sink)
            continue
        if leaving:
            depth -= 1
            sink.leave(one)
            continue
        if one is not root and one.tail:
            stack.append((one.tail, look, False))
        if not isinstance(one.tag, str) or one.tag in NEVER_SHOWN:
            continue
        own = looks.of(one, look)
        if own is None:
            sink.unseen(" ".join(texts(one)))
        elif one.tag != "table" or not sink.table(one, look):
            depth += 1
            if depth > _DEPTH_MAX:
                raise Refused(Reason.TOO_DEEP)
            _enter(one, own, sink, stack)


def _enter(element: HtmlElement, own: Look, sink: Sink, stack: list[tuple[HtmlElement | str, Look, bool]]) -> None:
    if element.tag == "svg":
        own = own._replace(paper=None)  # what is painted behind a text is not looked at
    sink.enter(element)
    stack.append((element, own, True))
    if element.tag == "br":
        sink.line()
    elif element.tag in ("img", "input", "select"):
        _stand_in(element, own, sink)
        if element.tag == "select":
            return
    elif element.tag == "text":
        _say(" ", own, sink)
    elif element.tag == "sup" and (element.text or "").strip().isdigit():
        _say("^", own, sink)
    stack.extend((child, own, False) for child in reversed(element))
    _say(element.text or "", own, sink)


def _say(text: str, look: Look, sink: Sink) -> None:
    if look.shows_text:
        sink.text(text)
    elif text.strip():
        sink.unseen(text)


def _stand_in(element: HtmlElement, own: Look, sink: Sink) -> None:
    """The text that a picture or a field shows. A sentence about a picture is a line of its own."""
    text = " ".join(_shown_by(element).split())
    # Nobody who writes a marker looks for it there.
    refuse_markers((text,), "in a picture or a field")
    sentence = element.tag == "img" and len(text.split()) >= _SENTENCE_WORDS
    if sentence:
        sink.line()
    if text:
        _say(f" {text} ", own, sink)
    if sentence:
        sink.line()


def _shown_by(element: HtmlElement) -> str:
    if element.tag == "img":
        return str(element.get("alt", ""))
    if element.tag == "input":
        kind = element.get("type", "text").lower()
        return str(element.get("alt" if kind == "image" else "value", "")) if kind in (*_FIELDS, "image") else ""
    options = list(element.iter("option"))
    chosen = [option for option in options if "selected" in option.attrib] or options[:1]
    return " ".join(" ".join(texts(option)) for option in chosen)


def texts(root: HtmlElement) -> Iterator[str]:
    """The text below an element, without that of elements that never show any."""
    stack: list[HtmlElement | str] = [root]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            yield one
            continue
        below: list[HtmlElement | str] = []
        if isinstance(one.tag, str) and one.tag not in NEVER_SHOWN:
            below += [one.text or "", *one]
        stack.extend(reversed(below if one is root else [*below, one.tail or ""]))


def flowed(text: str) -> str:
    """Text in the flow of a page: line breaks of the source are spaces."""
    return re.sub(r"\s+", " ", text)
