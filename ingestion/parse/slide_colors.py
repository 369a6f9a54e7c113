"""What of a slide's text can be told from what is behind it: colours of runs, shapes, slides and their theme."""

import re
from collections.abc import Callable
from typing import Any

from lxml import etree
from pptx.oxml.ns import qn

from ingestion.parse.archive import parse_xml
from ingestion.parse.colors import BLACK, POINTS_MIN, UNKNOWN, WHITE, alike
from ingestion.parse.slide_shapes import Shape, placeholder, shapes

_PAINTED = tuple(qn(f"a:{kind}") for kind in ("gradFill", "blipFill", "pattFill", "grpFill"))
_NAMED = {"white": WHITE, "black": BLACK}
_COMPARED_MAX = 500
"""Painted shapes on one slide; among more, what lies behind a text is taken for unknown."""


class Colors:
    """Of one slide, with its layout, its master and its theme."""

    def __init__(self, slide: Any) -> None:
        """`slide` is a slide of the library."""
        self._theme: dict[str, str] = {}
        self._page = UNKNOWN
        self._painted: list[Shape] = []
        try:
            roots = [slide._element, slide.slide_layout._element, slide.slide_layout.slide_master._element]
        except (KeyError, AttributeError, ValueError):
            return  # without a layout there is no telling what a slide looks like; its text is all there
        self._theme = _theme(slide.slide_layout.slide_master)
        grounds = (self._background(root) for root in roots)
        self._page = next((ground for ground in grounds if ground is not None), WHITE)
        behind = (one for root in reversed(roots[1:]) for one in shapes(root.cSld.spTree) if not _held(one))
        self._painted.extend(shape for shape in behind if self._paints(shape))

    def painted(self, shape: Shape) -> None:
        """Take note of a shape: those that come after it lie over it."""
        if not shape.switched_off and self._paints(shape):
            self._painted.append(shape)

    def behind(self, shape: Shape) -> str:
        """The colour behind the text of a shape."""
        own = self._fill(shape.element)
        if own is not None:
            return own
        if shape.kind == "graphicFrame" or len(self._painted) > _COMPARED_MAX:
            return UNKNOWN
        return UNKNOWN if any(shape.over(other) for other in self._painted) else self._page

    def unseen(self, run: etree._Element, behind: Callable[[], str]) -> bool:
        """Of a run: too small, not painted, transparent, or of the colour of what is behind it."""
        properties = run.find(qn("a:rPr"))
        if properties is None:
            return False
        size = str(properties.get("sz", ""))
        if re.fullmatch(r"\d{1,6}", size) and int(size) < POINTS_MIN * 100:
            return True
        if properties.find(qn("a:noFill")) is not None and properties.find(qn("a:ln")) is None:
            return True
        solid = properties.find(f"{qn('a:solidFill')}/*")
        if solid is None:
            return False
        alpha = solid.find(qn("a:alpha"))
        # Of 100000, or in percent.
        transparent = alpha is not None and re.fullmatch(r"[0-4]?\d{1,3}|[0-4]%", str(alpha.get("val", "")))
        color = self._color(solid)
        return bool(transparent) or (color != UNKNOWN and alike(color, behind()))

    def of_cell(self, cell: etree._Element) -> str:
        """What a cell of a table is filled with itself; its table's style is not looked up."""
        solid = cell.find(f"{qn('a:tcPr')}/{qn('a:solidFill')}/*")
        return UNKNOWN if solid is None else self._color(solid)

    def _background(self, root: etree._Element) -> str | None:
        given = root.find(f"{qn('p:cSld')}/{qn('p:bg')}")
        if given is None:
            return None
        solid = given.find(f"{qn('p:bgPr')}/{qn('a:solidFill')}/*")
        reference = given.find(qn("p:bgRef"))
        if solid is None and reference is not None and reference.get("idx") == "1001":  # the theme's plain one
            solid = reference.find("*")
        return UNKNOWN if solid is None else self._color(solid)

    def _paints(self, shape: Shape) -> bool:
        """Whether it covers what lies behind it with something that is not white."""
        if shape.kind in ("pic", "graphicFrame"):
            return True
        fill = self._fill(shape.element)
        return fill is not None and not alike(fill, WHITE)

    def _fill(self, element: etree._Element) -> str | None:
        """What a shape is filled with; None for nothing."""
        properties = element.find(qn("p:spPr"))
        if properties is not None:
            if properties.find(qn("a:noFill")) is not None:
                return None
            solid = properties.find(f"{qn('a:solidFill')}/*")
            if solid is not None:
                return self._color(solid)
            if any(properties.find(kind) is not None for kind in _PAINTED):
                return UNKNOWN
        of_theme = element.find(f"{qn('p:style')}/{qn('a:fillRef')}")
        return UNKNOWN if of_theme is not None and of_theme.get("idx") not in ("0", None) else None

    def _color(self, element: etree._Element) -> str:
        if any(not str(change.tag).endswith("}alpha") for change in element):
            return UNKNOWN  # made lighter or darker
        value = str(element.get("val", ""))
        if element.tag == qn("a:schemeClr"):
            return self._theme.get(value, UNKNOWN)
        return _plain(element)


def _held(shape: Shape) -> bool:
    """A place that a layout holds for what slides put there: nothing of its own is shown."""
    return placeholder(shape.element) != ""


def _plain(element: etree._Element) -> str:
    value = str(element.get("val", ""))
    if element.tag == qn("a:sysClr"):
        return str(element.get("lastClr", UNKNOWN))
    return _NAMED.get(value, UNKNOWN) if element.tag == qn("a:prstClr") else value


def _theme(master: Any) -> dict[str, str]:
    """Colours by the names that slides use. A slide that maps the names anew is rare: there they are unknown."""
    rels = master.part.rels.values()
    blob = next((one.target_part.blob for one in rels if not one.is_external and one.reltype.endswith("/theme")), None)
    mapping = master._element.find(qn("p:clrMap"))
    if blob is None or mapping is None:
        return {}
    scheme = next(parse_xml(blob).iter(qn("a:clrScheme")), None)
    given = (
        {str(one.tag).rpartition("}")[2]: _plain(one[0]) for one in scheme if len(one)} if scheme is not None else {}
    )
    return {**given, **{str(name): given.get(str(of), UNKNOWN) for name, of in mapping.items()}}
