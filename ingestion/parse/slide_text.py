"""The text of an element of a slide, its equations in one line."""

from lxml import etree
from pptx.oxml.ns import qn

from ingestion.parse.equations import AROUND, M

_TEXTS = (qn("a:t"), f"{M}t")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_LINES = (qn("a:p"), qn("a:br"))


def text(root: etree._Element, without: set[etree._Element] | None = None) -> str:
    """Paragraphs and lines of it, without these runs."""
    parts: list[str] = []
    stack: list[etree._Element | str] = [root]
    while stack:
        element = stack.pop()
        if isinstance(element, str):
            parts.append(element)
        elif element.tag in _TEXTS:
            parts.append(element.text or "")
        elif element.tag != _FALLBACK and not (without and element in without):
            before, after = AROUND.get(element.tag, ("\n" * (element.tag in _LINES and element is not root), ""))
            parts.append(before)
            stack.append(after)
            stack.extend(reversed(element))
    return "".join(parts).strip()
