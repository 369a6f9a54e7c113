"""How a Word document looks where it matters: what a reader sees, what is a heading, and what is numbered.

Styles rest on others, and what a style says holds wherever it is used: hidden text, colours, outline levels, lists.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from lxml import etree

from ingestion.parse.colors import BLACK, POINTS_MIN, UNKNOWN, WHITE, alike
from ingestion.parse.document import Reason, Refused
from ingestion.parse.word_drawn import Drawn, fill_of_box
from ingestion.parse.word_ink import NO_INK, edge, ink
from ingestion.parse.word_place import Place, place_of
from ingestion.parse.word_tree import OFF, given, is_on, stated, value, w

STYLES_DEEP_MAX = 25
"""Styles that rest on each other; in a longer chain something could be hidden beyond what is looked at."""

_WIDTH_MIN = 10
"""Narrower letters, in percent of the usual ones, are strokes."""


class _Look(NamedTuple):
    """What one place says about text; None where it says nothing. `paper` is what it paints behind it.

    `edge` is the colour of what is painted around letters, `width` their share of the usual one, in percent.
    """

    vanish: bool | None = None
    color: str | None = None
    points: float | None = None
    paper: str | None = None
    bold: bool | None = None
    edge: str | None = None
    width: int | None = None

    def over(self, other: "_Look") -> "_Look":
        """This, and the other where this says nothing."""
        return _Look._make(its if own is None else own for own, its in zip(self, other, strict=True))


class Looks:
    """The styles of one document, each resolved once."""

    def __init__(self, styles: etree._Element | None, paper: str, drawn: Drawn) -> None:
        """`styles` is their part, if there is one, `paper` the colour of the pages, `drawn` what stands on them."""
        self._page = paper
        self.drawn = drawn
        self._styles: dict[str, etree._Element] = {}
        self._default: dict[str, str] = {}
        for style in styles.iter(w("style")) if styles is not None else ():
            name = str(style.get(w("styleId"), ""))
            self._styles.setdefault(name, style)
            if style.get(w("default"), "0") not in OFF:
                self._default.setdefault(str(style.get(w("type"))), name)
        defaults = None if styles is None else styles.find(f"{w('docDefaults')}/{w('rPrDefault')}/{w('rPr')}")
        self._given = _look(defaults)
        self._around: tuple[etree._Element | None, _Look] = (None, self._given)
        self._place: Callable[[str], Place] = cache(self._resolved_place)
        self._look: Callable[[str], _Look] = cache(self._resolved)
        self.heading_of: Callable[[str], int] = cache(self._heading_of)
        self._shades: Callable[[str], bool] = cache(self._shades_table)

    def chain(self, name: str) -> Iterator[etree._Element]:
        """A style and those that it rests on, nearest first.

        Raises:
            Refused: too_deep.
        """
        seen: set[str] = set()
        while name in self._styles and name not in seen:
            seen.add(name)
            if len(seen) > STYLES_DEEP_MAX:
                raise Refused(Reason.TOO_DEEP, "styles that rest on each other")
            yield self._styles[name]
            name = value(self._styles[name].find(w("basedOn")))

    def style_of(self, paragraph: etree._Element) -> str:
        return value(stated(paragraph, "p", "pStyle")) or self._default.get("paragraph", "")

    def heading(self, paragraph: etree._Element) -> int:
        """Its level from 1 to 6, 0 for what is no heading."""
        own = _outline(paragraph)
        return self.heading_of(self.style_of(paragraph)) if own is None else own

    def unseen(self, run: etree._Element) -> bool:
        """Hidden by itself or its styles, too small to be seen, or of the colour of what is behind it."""
        look = self.look(run)
        if look.vanish or (look.points is not None and look.points < POINTS_MIN):
            return True
        if look.width is not None and look.width < _WIDTH_MIN:
            return True
        if look.color is None or look.color == "auto":
            return False
        inks = (look.color, NO_INK if look.edge is None else look.edge)
        paper = self._behind(run) if look.paper is None else look.paper
        return all(one == NO_INK or alike(one, paper) for one in inks)

    def lies_beside(self, paragraph: etree._Element) -> bool:
        """Whether the lines of a paragraph are too low to be seen, or begin beside the page."""
        own, styled = given(paragraph, "p"), self._place(self.style_of(paragraph))
        place = styled if own is None else place_of(own).over(styled)
        return place.is_low or self.drawn.line_beside(place)

    def look(self, run: etree._Element) -> _Look:
        around = run.getparent()
        while around is not None and around.tag != w("p"):
            around = around.getparent()
        # Runs come one after the other: what their paragraph says is looked up once.
        if around is not self._around[0]:
            styled = _Look() if around is None else self._look(self.style_of(around))
            self._around = (around, styled.over(self._given))
        properties = run.find(w("rPr"))
        if properties is None:
            return self._around[1]
        style = properties.find(w("rStyle"))
        own = _look(properties) if style is None else _look(properties).over(self._look(value(style)))
        return own.over(self._around[1])

    def formats(self, table: etree._Element, part: str) -> bool | None:
        """Whether the style of a table makes its `firstRow` or `firstCol` look different. None: it names no style."""
        name = value(table.find(f"{w('tblPr')}/{w('tblStyle')}"))
        if not name:
            return None
        return any(one.get(w("type")) == part for style in self.chain(name) for one in style.iter(w("tblStylePr")))

    def _resolved_place(self, name: str) -> Place:
        place = Place()
        for style in self.chain(name):
            place = place.over(place_of(style.find(w("pPr"))))
        return place

    def _resolved(self, name: str) -> _Look:
        look = _Look()
        for style in self.chain(name):
            own = _look(style.find(w("rPr")))
            shade = shading(style.find(f"{w('pPr')}/{w('shd')}"))
            look = look.over(own.over(_Look(paper=shade)))
        return look

    def _heading_of(self, name: str) -> int:
        for style in self.chain(name):
            named = value(style.find(w("name"))).lower()
            outline = _outline(style)
            if outline is not None:
                return outline
            if match := re.fullmatch(r"heading ([1-9])", named):
                return min(6, int(match.group(1)))
            if named == "title":
                return 1
        return 0

    def _behind(self, run: etree._Element) -> str:
        """The colour of the nearest thing that is painted behind a run, from its paragraph to the page."""
        floats = False
        for around in run.iterancestors(w("p"), w("tc"), w("tbl"), w("txbxContent")):
            found: str | None = None
            if around.tag == w("txbxContent"):
                found, floats = fill_of_box(around), True
            elif around.tag == w("tbl") and self._shades(value(stated(around, "tbl", "tblStyle"))):
                return UNKNOWN
            else:
                kind = str(around.tag).rpartition("}")[2]
                found = shading(stated(around, kind, "shd"))
            if found is not None:
                return found
        return UNKNOWN if self.drawn.lies_under(floats=floats) else self._page

    def _shades_table(self, name: str) -> bool:
        """Whether the style of a table may colour cells: which ones depends on where they stand."""
        shades = (shade for style in self.chain(name or self._default.get("table", "")) for shade in _shades(style))
        return any(not alike(shade, WHITE) for shade in shades)


def _shades(style: etree._Element) -> Iterator[str]:
    for one in style.iter(w("shd")):
        found = shading(one)
        if found is not None:
            yield found


def _look(properties: etree._Element | None) -> _Look:
    if properties is None:
        return _Look()
    of = {child.tag: child for child in properties}
    size = value(of.get(w("sz")))
    points = re.match(r"\d{1,6}(?:\.\d{1,6})?", size)
    vanish, bold = of.get(w("vanish")), of.get(w("b"))
    return _Look(
        None if vanish is None else is_on(vanish),
        ink(of),
        float(points.group()) / (1 if size.endswith("pt") else 2) if points else None,
        _behind_run(of.get(w("highlight")), of.get(w("shd"))),
        None if bold is None else is_on(bold),
        edge(of),
        _percent(value(of.get(w("w")))),
    )


def _percent(text: str) -> int | None:
    found = re.fullmatch(r"(\d{1,4})%?", text)
    return int(found.group(1)) if found else None


def _behind_run(highlight: etree._Element | None, shade: etree._Element | None) -> str | None:
    marked = value(highlight)
    if marked and marked != "none":
        return {"white": WHITE, "black": BLACK}.get(marked, UNKNOWN)
    return shading(shade)


def shading(shade: etree._Element | None) -> str | None:
    """The colour that a shading paints; None where it paints nothing."""
    if shade is None:
        return None
    fill, pattern = str(shade.get(w("fill"), UNKNOWN)), value(shade, "clear")
    if pattern == "solid":
        return str(shade.get(w("color"), UNKNOWN)).replace("auto", BLACK)
    if pattern not in ("clear", "nil"):
        return UNKNOWN
    if fill == "auto":
        return None if shade.get(w("themeFill")) is None else UNKNOWN
    return fill


def _outline(owner: etree._Element) -> int | None:
    """The outline level that a paragraph or a style states: 0 for body text."""
    level = value(owner.find(f"{w('pPr')}/{w('outlineLvl')}"))
    if not re.fullmatch(r"\d", level):
        return None
    return 0 if level == "9" else min(6, int(level) + 1)
