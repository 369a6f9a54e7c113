"""What of a slide's text can be told from what is behind it."""

import re
from collections.abc import Callable
from typing import Any

from lxml import etree
from pptx.oxml.ns import qn

from ingestion.parse.colors import POINTS_MIN, UNKNOWN, alike
from ingestion.parse.slide_ground import Ground, Paint
from ingestion.parse.slide_shapes import Shape

_COMPARED_MAX = 500
"""Painted shapes on one slide; among more, what lies behind a text is taken for unknown."""


class Colors:
    """Of one slide."""

    def __init__(self, slide: Any, ground: Ground) -> None:
        """`slide` is a slide of the library."""
        self._paint = Paint(ground.theme, ground.held)
        own = self._paint.background(slide._element)
        self._page = ground.page if own is None else own
        self._painted = list(ground.painted)
        self._under: dict[etree._Element, int] = {}

    def painted(self, shape: Shape) -> None:
        """Take note of a shape, in their order: those that come after it lie over it."""
        self._under[shape.element] = len(self._painted)
        if not shape.switched_off and self._paint.paints(shape):
            self._painted.append(shape)

    def behind(self, shape: Shape) -> str:
        """The colour behind the text of a shape that was taken note of."""
        own = self._paint.fill(shape.element)
        if own is not None:
            return own
        under = self._under[shape.element]
        if shape.kind == "graphicFrame" or under > _COMPARED_MAX:
            return UNKNOWN
        return UNKNOWN if any(shape.over(other) for other in self._painted[:under]) else self._page

    def unseen(self, run: etree._Element, behind: Callable[[], str]) -> bool:
        """Of a run: too small, not painted, transparent, or of the colour of what is behind it."""
        properties = run.find(qn("a:rPr"))
        if properties is None:
            return False
        size = str(properties.get("sz", ""))
        if re.fullmatch(r"\d{1,6}", size) and int(size) < POINTS_MIN * 100:
            return True
        line = properties.find(qn("a:ln"))
        outlined = line is not None and line.find(qn("a:noFill")) is None
        if properties.find(qn("a:noFill")) is not None and not outlined:
            return True
        solid = properties.find(f"{qn('a:solidFill')}/*")
        if solid is None:
            return False
        alpha = solid.find(qn("a:alpha"))
        # Of 100000, or in percent.
        transparent = alpha is not None and re.fullmatch(r"[0-4]?\d{1,3}|[0-4]%", str(alpha.get("val", "")))
        color = self._paint.color(solid)
        return bool(transparent) or (
            not outlined and color != UNKNOWN and alike(color, self._behind_run(properties, behind))
        )

    def _behind_run(self, properties: etree._Element, behind: Callable[[], str]) -> str:
        marked = properties.find(f"{qn('a:highlight')}/*")
        return behind() if marked is None else self._paint.color(marked)

    def of_cell(self, cell: etree._Element) -> str:
        """What a cell of a table is filled with itself; its table's style is not looked up."""
        solid = cell.find(f"{qn('a:tcPr')}/{qn('a:solidFill')}/*")
        return UNKNOWN if solid is None else self._paint.color(solid)
