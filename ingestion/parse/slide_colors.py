"""What of a slide's text can be told from what is behind it."""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from lxml import etree
from pptx.oxml.ns import qn

from ingestion.parse.colors import POINTS_MIN, UNKNOWN, alike
from ingestion.parse.slide_ground import Ground, Paint
from ingestion.parse.slide_shapes import Shape

_COMPARED_MAX = 500
"""Painted shapes on one slide; among more, what lies behind a text is taken for unknown."""
_FILLS = tuple(qn(f"a:{kind}") for kind in ("noFill", "solidFill", "gradFill", "blipFill", "pattFill", "grpFill"))
_HIGHLIGHT = qn("a:highlight")
_FIRST = 3


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
        given = [one for one in (run.find(qn("a:rPr")), _of_list(run)) if one is not None]
        size = next((str(one.get("sz")) for one in given if one.get("sz") is not None), "")
        if re.fullmatch(r"\d{1,6}", size) and int(size) < POINTS_MIN * 100:
            return True
        line = _first(given, qn("a:ln"))
        outlined = line is not None and line.find(qn("a:noFill")) is None
        fill = _first(given, *_FILLS)
        if fill is not None and fill.tag == qn("a:noFill"):
            return not outlined
        if fill is None or fill.tag != qn("a:solidFill") or not len(fill):
            return False
        alpha = fill[0].find(qn("a:alpha"))
        # Of 100000, or in percent.
        transparent = alpha is not None and re.fullmatch(r"[0-4]?\d{1,3}|[0-4]%", str(alpha.get("val", "")))
        color = self._paint.color(fill[0])
        return bool(transparent) or (
            not outlined and color != UNKNOWN and alike(color, self._behind_run(_first(given, _HIGHLIGHT), behind))
        )

    def _behind_run(self, marked: etree._Element | None, behind: Callable[[], str]) -> str:
        return behind() if marked is None or not len(marked) else self._paint.color(marked[0])

    def of_cell(self, cell: etree._Element) -> str:
        """What a cell of a table is filled with itself; its table's style is not looked up."""
        solid = cell.find(f"{qn('a:tcPr')}/{qn('a:solidFill')}/*")
        return UNKNOWN if solid is None else self._paint.color(solid)


def _first(given: Iterable[etree._Element], *tags: str) -> etree._Element | None:
    """The nearest of these, of what is said about a run by itself and then by the list style of its shape."""
    return next((child for one in given for child in one if child.tag in tags), None)


def _of_list(run: etree._Element) -> etree._Element | None:
    """What the list style of its shape says about runs of the level of its paragraph.

    The schema puts what is looked for first: looked for among all paragraphs, it would cost each run what they cost.
    """
    line = run.getparent()
    around = None if line is None else line.getparent()
    if line is None or around is None:
        return None
    of_list = next((child for child in islice(around, _FIRST) if child.tag == qn("a:lstStyle")), None)
    if of_list is None or not len(of_list):
        return None
    own = next((child for child in islice(line, _FIRST) if child.tag == qn("a:pPr")), None)
    level = str(own.get("lvl", "0")) if own is not None else "0"
    number = int(level) + 1 if re.fullmatch(r"[0-8]", level) else 1
    return of_list.find(f"{qn(f'a:lvl{number}pPr')}/{qn('a:defRPr')}")
