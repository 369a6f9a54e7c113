"""What lies under the texts of slides: what shapes are filled with, and what a layout and its master show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from pptx.oxml.ns import qn

from ingestion.parse.archive import parse_xml
from ingestion.parse.colors import BLACK, UNKNOWN, WHITE, alike
from ingestion.parse.slide_shapes import Shape, placeholder, shapes

_PAINTED = tuple(qn(f"a:{kind}") for kind in ("gradFill", "blipFill", "pattFill", "grpFill"))
_NAMED = {"white": WHITE, "black": BLACK}


class Paint:
    """Colours, by the names of a theme; `held` are the places that a layout fills, see `Ground`."""

    def __init__(self, theme: Mapping[str, str], held: frozenset[str] = frozenset()) -> None:
        self._theme = theme
        self._held = held

    def background(self, root: etree._Element) -> str | None:
        given = root.find(f"{qn('p:cSld')}/{qn('p:bg')}")
        if given is None:
            return None
        solid = given.find(f"{qn('p:bgPr')}/{qn('a:solidFill')}/*")
        reference = given.find(qn("p:bgRef"))
        if solid is None and reference is not None and reference.get("idx") == "1001":  # the theme's plain one
            solid = reference.find("*")
        return UNKNOWN if solid is None else self.color(solid)

    def paints(self, shape: Shape) -> bool:
        """Whether it covers what lies behind it with something that is not white."""
        if shape.kind in ("pic", "graphicFrame"):
            return True
        fill = self.fill(shape.element)
        return fill is not None and not alike(fill, WHITE)

    def fill(self, element: etree._Element) -> str | None:
        """What a shape is filled with; None for nothing."""
        properties = element.find(qn("p:spPr"))
        if properties is not None:
            if properties.find(qn("a:noFill")) is not None:
                return None
            solid = properties.find(f"{qn('a:solidFill')}/*")
            if solid is not None:
                return self.color(solid)
            if any(properties.find(kind) is not None for kind in _PAINTED):
                return UNKNOWN
        if self._held and placeholder(element) and not self._held.isdisjoint(_places(element)):
            return UNKNOWN
        of_theme = element.find(f"{qn('p:style')}/{qn('a:fillRef')}")
        return UNKNOWN if of_theme is not None and of_theme.get("idx") not in ("0", None) else None

    def color(self, element: etree._Element) -> str:
        if any(not str(change.tag).endswith("}alpha") for change in element):
            return UNKNOWN  # made lighter or darker
        value = str(element.get("val", ""))
        if element.tag == qn("a:schemeClr"):
            return self._theme.get(value, UNKNOWN)
        return _plain(element)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a layout, with its master and its theme, shows under each of its slides.

    `held` are the places for what slides put there which it fills, by their kind or number.
    """

    theme: Mapping[str, str] = field(default_factory=dict)
    page: str = UNKNOWN
    painted: tuple[Shape, ...] = ()
    held: frozenset[str] = frozenset()


class Grounds:
    """Of all slides: each layout is looked at once, for it may be large and have many."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, bool], Ground] = {}

    def of(self, slide: Any) -> Ground:
        """`slide` is a slide of the library."""
        try:
            layout = slide.slide_layout
            key = layout.part, _maps_anew(slide) or _maps_anew(layout)
            if key not in self._known:
                self._known[key] = _ground(layout, layout.slide_master, mapped=not key[1])
            return self._known[key]
        except (KeyError, AttributeError, ValueError):
            return Ground()  # without a layout there is no telling what a slide looks like; its text is all there


def _maps_anew(of: Any) -> bool:
    """Whether a slide or a layout gives the names of the theme other colours: the paper of its master may be its ink.

    Rare, and not resolved: there they are unknown.
    """
    return of._element.find(f"{qn('p:clrMapOvr')}/{qn('a:overrideClrMapping')}") is not None


def _ground(layout: Any, master: Any, *, mapped: bool) -> Ground:
    """`mapped`: whether the names of the theme mean what the master says."""
    theme = _theme(master) if mapped else {}
    paint = Paint(theme)
    pages = (paint.background(one._element) for one in (layout, master))
    behind = [(shape, one is layout) for one in (master, layout) for shape in shapes(one._element.cSld.spTree)]
    filled = [
        (shape, nearer)
        for shape, nearer in behind
        if placeholder(shape.element) and paint.fill(shape.element) is not None
    ]
    return Ground(
        theme,
        next((page for page in pages if page is not None), WHITE if mapped else UNKNOWN),
        tuple(shape for shape, _ in behind if not placeholder(shape.element) and paint.paints(shape)),
        frozenset(next(_places(shape.element, numbered=nearer)) for shape, nearer in filled),
    )


def _places(element: etree._Element, *, numbered: bool = True) -> Iterator[str]:
    """What a place is known by: a slide's has the number of its layout's, a layout's the kind of its master's."""
    mark = element.find(f".//{qn('p:nvPr')}/{qn('p:ph')}")
    if numbered and mark is not None and mark.get("idx"):
        yield str(mark.get("idx"))
    kind = placeholder(element)
    yield "title" if kind == "ctrTitle" else kind


def _plain(element: etree._Element) -> str:
    value = str(element.get("val", ""))
    if element.tag == qn("a:sysClr"):
        return str(element.get("lastClr", UNKNOWN))
    return _NAMED.get(value, UNKNOWN) if element.tag == qn("a:prstClr") else value


def _theme(master: Any) -> dict[str, str]:
    """Colours by the names that slides use, as the master maps them."""
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
