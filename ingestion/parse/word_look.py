"""How a Word document looks where it matters: what a reader sees, what is a heading, and what is numbered.

Styles rest on others, and what a style says holds wherever it is used: hidden text, colours, outline levels, lists.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache

from docx.oxml.ns import qn
from lxml import etree

from ingestion.parse.colors import BLACK, POINTS_MIN, UNKNOWN, WHITE, alike

STYLES_DEEP_MAX = 50
_OFF = ("0", "false", "off")
_NO_FILL, _SOLID = (
    "{http://schemas.openxmlformats.org/drawingml/2006/main}" + name for name in ("noFill", "solidFill")
)
_SHAPE = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"


def value(element: etree._Element | None, default: str = "") -> str:
    return default if element is None else str(element.get(qn("w:val"), default))


def is_on(element: etree._Element | None) -> bool:
    """Whether a property that is there is not switched off."""
    return element is not None and value(element, "true") not in _OFF


@dataclass(frozen=True, slots=True)
class _Look:
    """What one place says about text; None where it says nothing. `paper` is what it paints behind it."""

    vanish: bool | None = None
    color: str | None = None
    points: float | None = None
    paper: str | None = None
    bold: bool | None = None

    def over(self, other: "_Look") -> "_Look":
        """This, and the other where this says nothing."""
        own = ((one.name, getattr(self, one.name)) for one in fields(self))
        return _Look(**{name: getattr(other, name) if given is None else given for name, given in own})


class Looks:
    """The styles of one document, each resolved once."""

    def __init__(self, styles: etree._Element, paper: str = WHITE) -> None:
        """`paper` is the colour of the pages."""
        self._page = paper
        self._styles: dict[str, etree._Element] = {}
        self._default: dict[str, str] = {}
        for style in styles.iter(qn("w:style")):
            name = str(style.get(qn("w:styleId"), ""))
            self._styles.setdefault(name, style)
            if style.get(qn("w:default"), "0") not in _OFF:
                self._default.setdefault(str(style.get(qn("w:type"))), name)
        given = styles.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
        self._given = _look(given)
        self._look: Callable[[str], _Look] = cache(self._resolved)
        self.heading_of: Callable[[str], int] = cache(self._heading_of)
        self._shades: Callable[[str], bool] = cache(self._shades_table)

    def chain(self, name: str) -> Iterator[etree._Element]:
        """A style and those that it rests on, nearest first."""
        seen: set[str] = set()
        while name in self._styles and name not in seen and len(seen) < STYLES_DEEP_MAX:
            seen.add(name)
            yield self._styles[name]
            name = value(self._styles[name].find(qn("w:basedOn")))

    def style_of(self, paragraph: etree._Element) -> str:
        return value(paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")) or self._default.get("paragraph", "")

    def heading(self, paragraph: etree._Element) -> int:
        """Its level from 1 to 6, 0 for what is no heading."""
        own = _outline(paragraph)
        return self.heading_of(self.style_of(paragraph)) if own is None else own

    def unseen(self, run: etree._Element) -> bool:
        """Hidden by itself or its styles, too small to be seen, or of the colour of what is behind it."""
        look = self.look(run)
        if look.vanish or (look.points is not None and look.points < POINTS_MIN):
            return True
        if look.color is None or look.color == "auto":
            return False
        return alike(look.color, self._behind(run) if look.paper is None else look.paper)

    def look(self, run: etree._Element) -> _Look:
        properties = run.find(qn("w:rPr"))
        look = _look(properties)
        if properties is not None:
            look = look.over(self._look(value(properties.find(qn("w:rStyle")))))
        around = next(run.iterancestors(qn("w:p")), None)
        return look.over(self._given if around is None else self._look(self.style_of(around)).over(self._given))

    def formats(self, table: etree._Element, part: str) -> bool | None:
        """Whether the style of a table makes its `firstRow` or `firstCol` look different. None: it names no style."""
        name = value(table.find(f"{qn('w:tblPr')}/{qn('w:tblStyle')}"))
        if not name:
            return None
        return any(
            one.get(qn("w:type")) == part for style in self.chain(name) for one in style.iter(qn("w:tblStylePr"))
        )

    def _resolved(self, name: str) -> _Look:
        look = _Look()
        for style in self.chain(name):
            own = _look(style.find(qn("w:rPr")))
            shade = shading(style.find(f"{qn('w:pPr')}/{qn('w:shd')}"))
            look = look.over(own.over(_Look(paper=shade)))
        return look

    def _heading_of(self, name: str) -> int:
        for style in self.chain(name):
            named = value(style.find(qn("w:name"))).lower()
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
        for around in run.iterancestors(qn("w:p"), qn("w:tc"), qn("w:tbl"), qn("w:txbxContent")):
            found: str | None = None
            if around.tag == qn("w:txbxContent"):
                found = _fill_of_box(around)
            elif around.tag == qn("w:tbl") and self._shades(value(around.find(f"{qn('w:tblPr')}/{qn('w:tblStyle')}"))):
                return UNKNOWN
            else:
                kind = str(around.tag).rpartition("}")[2]
                found = shading(around.find(f"{qn(f'w:{kind}Pr')}/{qn('w:shd')}"))
            if found is not None:
                return found
        return self._page

    def _shades_table(self, name: str) -> bool:
        """Whether the style of a table may colour cells: which ones depends on where they stand."""
        shades = (shade for style in self.chain(name or self._default.get("table", "")) for shade in _shades(style))
        return any(not alike(shade, WHITE) for shade in shades)


def _shades(style: etree._Element) -> Iterator[str]:
    for one in style.iter(qn("w:shd")):
        found = shading(one)
        if found is not None:
            yield found


def _look(properties: etree._Element | None) -> _Look:
    if properties is None:
        return _Look()
    vanish, bold = properties.find(qn("w:vanish")), properties.find(qn("w:b"))
    size = re.match(r"\d{1,6}(?:\.\d{1,6})?", value(properties.find(qn("w:sz"))))
    points = float(size.group()) / (1 if value(properties.find(qn("w:sz"))).endswith("pt") else 2) if size else None
    return _Look(
        None if vanish is None else is_on(vanish),
        _color(properties.find(qn("w:color"))),
        points,
        _behind_run(properties),
        None if bold is None else is_on(bold),
    )


def _color(color: etree._Element | None) -> str | None:
    if color is None:
        return None
    given = value(color)
    light = color.get(qn("w:themeColor")) in ("background1", "light1")
    shaded = color.get(qn("w:themeShade")) is not None or color.get(qn("w:themeTint")) is not None
    return WHITE if light and not shaded and given in ("", "auto") else given


def _behind_run(properties: etree._Element) -> str | None:
    highlight = value(properties.find(qn("w:highlight")))
    if highlight and highlight != "none":
        return {"white": WHITE, "black": BLACK}.get(highlight, UNKNOWN)
    return shading(properties.find(qn("w:shd")))


def shading(shade: etree._Element | None) -> str | None:
    """The colour that a shading paints; None where it paints nothing."""
    if shade is None:
        return None
    fill, pattern = str(shade.get(qn("w:fill"), UNKNOWN)), value(shade, "clear")
    if pattern == "solid":
        return str(shade.get(qn("w:color"), UNKNOWN)).replace("auto", BLACK)
    if pattern not in ("clear", "nil"):
        return UNKNOWN
    return None if fill == "auto" else fill


def _fill_of_box(box: etree._Element) -> str | None:
    shape = next(box.iterancestors(f"{_SHAPE}wsp"), None)
    properties = None if shape is None else shape.find(f"{_SHAPE}spPr")
    if properties is None:
        return UNKNOWN
    if properties.find(_NO_FILL) is not None:
        return None
    solid = properties.find(f"{_SOLID}/*")
    return UNKNOWN if solid is None else str(solid.get("val", UNKNOWN)).replace("bg1", WHITE)


def _outline(owner: etree._Element) -> int | None:
    """The outline level that a paragraph or a style states: 0 for body text."""
    stated = value(owner.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}"))
    if not re.fullmatch(r"\d", stated):
        return None
    return 0 if stated == "9" else min(6, int(stated) + 1)
