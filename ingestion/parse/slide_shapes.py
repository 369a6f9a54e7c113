"""The shapes of a slide in order, and where they stand: groups have coordinates of their own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from pptx.oxml.ns import qn

from ingestion.parse.document import DEPTH_MAX, Reason, Refused

_MARKUP = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_ALTERNATIVES, _CHOICE = f"{_MARKUP}AlternateContent", f"{_MARKUP}Choice"
_ON = ("1", "true")
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, on the slide."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """How coordinates inside groups become the slide's: scale, then shift; and whether a group is switched off."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """`box` is None where the layout says where it stands."""

    element: etree._Element
    box: Box | None
    switched_off: bool

    @property
    def kind(self) -> str:
        return str(self.element.tag).rpartition("}")[2]

    def beside(self, width: int, height: int) -> bool:
        """Whether it stands wholly outside of the slide."""
        if self.box is None or not width or not height:
            return False
        left, top, right, bottom = self.box
        return right <= 0 or bottom <= 0 or left >= width or top >= height

    def over(self, other: "Shape") -> bool:
        """Whether the other may lie behind it."""
        if self.box is None or other.box is None:
            return True
        mine, its = self.box, other.box
        return mine[0] < its[2] and its[0] < mine[2] and mine[1] < its[3] and its[1] < mine[3]


def shapes(tree: etree._Element) -> Iterator[Shape]:
    """Shapes and pictures in reading order, those of groups in their place."""
    stack = [(child, _Frame(), 0) for child in reversed(tree)]
    while stack:
        element, frame, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP)
        if element.tag == qn("p:grpSp"):
            inner = _within(element, frame)
            stack.extend((child, inner, depth + 1) for child in reversed(element))
        elif element.tag == _ALTERNATIVES:
            # The first one is what a program of today shows; the others repeat it for older ones.
            stack.extend((child, frame, depth + 1) for one in element.findall(_CHOICE)[:1] for child in reversed(one))
        elif element.tag in (qn("p:sp"), qn("p:graphicFrame"), qn("p:cxnSp"), qn("p:pic")):
            yield Shape(element, _box(element, frame), frame.hidden or _switched_off(element))


def placeholder(element: etree._Element) -> str:
    mark = element.find(f".//{qn('p:nvPr')}/{qn('p:ph')}")
    return "" if mark is None else str(mark.get("type", "body"))


def _switched_off(element: etree._Element) -> bool:
    """In the selection pane."""
    described = element.find(f"*/{qn('p:cNvPr')}")
    return described is not None and described.get("hidden") in _ON


def _within(group: etree._Element, frame: _Frame) -> _Frame:
    hidden = frame.hidden or _switched_off(group)
    places = group.find(f"{qn('p:grpSpPr')}/{qn('a:xfrm')}")
    if places is None:
        return _Frame(frame.scale_x, frame.scale_y, frame.shift_x, frame.shift_y, hidden)
    off, ext, inner_off, inner_ext = (places.find(qn(f"a:{name}")) for name in ("off", "ext", "chOff", "chExt"))
    scale_x = _number(ext, "cx") / (_number(inner_ext, "cx") or _number(ext, "cx") or 1)
    scale_y = _number(ext, "cy") / (_number(inner_ext, "cy") or _number(ext, "cy") or 1)
    return _Frame(
        frame.scale_x * scale_x,
        frame.scale_y * scale_y,
        frame.shift_x + frame.scale_x * (_number(off, "x") - scale_x * _number(inner_off, "x")),
        frame.shift_y + frame.scale_y * (_number(off, "y") - scale_y * _number(inner_off, "y")),
        hidden,
    )


def _box(element: etree._Element, frame: _Frame) -> Box | None:
    offset, extent = element.find(f".//{qn('a:off')}"), element.find(f".//{qn('a:ext')}[@cx]")
    if offset is None or extent is None:
        return None
    left = frame.shift_x + frame.scale_x * _number(offset, "x")
    top = frame.shift_y + frame.scale_y * _number(offset, "y")
    return (
        left,
        top,
        left + frame.scale_x * _number(extent, "cx"),
        top + frame.scale_y * _number(extent, "cy"),
    )


def _number(element: etree._Element | None, name: str) -> float:
    given = "" if element is None else str(element.get(name, ""))
    return float(given) if re.fullmatch(r"-?\d{1,12}", given) else 0.0
