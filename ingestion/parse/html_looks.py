"""Whether a page shows its text: what its own style sheets and attributes make of each element.

Only what is certain counts. Of a rule whose selector is not understood, or that holds for some screens only, nobody can
say what it does: what it might change is taken as unknown, and unknown text is shown.
"""

from typing import NamedTuple

from lxml.html import HtmlElement

from ingestion.parse.html_boxes import PLACED, is_gone
from ingestion.parse.html_colors import CLEAR, UNKNOWN, WHITE, Color, alike, color_of
from ingestion.parse.html_lengths import TINY_PIXELS, is_part, pixels
from ingestion.parse.html_sheets import CLIPS, EDGES, FILLING, PAPERS, STROKES, Declared, Rank, Sheet, declarations

_PICTURES = ("img", "picture", "svg", "video", "canvas", "object", "iframe", "embed")
_NO_EDGE = ("none", "0", "0px", "initial", "unset")
_CLOSED = frozenset(("dialog", "noframes", "noembed"))
_ATTRIBUTES: Rank = (False, (-1, 0, 0))
_STYLE = (999, 0, 0)


class Look(NamedTuple):
    """What text inherits. `paper` and `ink` are None where they are not known; ink mostly is not: nobody sets it."""

    ink: Color | None = None
    paper: Color | None = WHITE
    tiny: bool = False
    invisible: bool = False
    edged: bool = False
    """Letters have a shadow, an outline or a filling that tells them from any paper."""
    filling: Color | None = None
    """Of letters, whatever their ink; None if that is what fills them."""

    @property
    def shows_text(self) -> bool:
        if self.tiny or self.invisible:
            return False
        if self.edged:
            return True
        ink = self.ink if self.filling is None else self.filling
        if ink == CLEAR:
            return False
        return ink is None or self.paper is None or not alike(ink, self.paper)


class Looks:
    """The style sheets of a page, to be asked about its elements."""

    def __init__(self, root: HtmlElement) -> None:
        self._sheet = Sheet()
        for style in root.iter("style"):
            self._sheet.read(style.text or "", style.get("media", ""))
        linked = any("stylesheet" in link.get("rel", "").lower() for link in root.iter("link"))
        self.outset = Look(paper=None) if linked or self._sheet.imports else Look()
        """Of a page; its paper is not known where a sheet of styles is not at hand."""
        pictures = [one for one in root.iter(*_PICTURES) if not _is_dot(one)]
        self._has_pictures = bool(pictures)
        anywhere = any(
            "position" in said for by_name in (self._sheet.certain, self._sheet.perhaps) for said in by_name.values()
        )
        maybe = [one for one in pictures if anywhere or "position" in one.get("style", "").lower()]
        # Held by themselves: an element that nothing refers to is another object when it comes again.
        self._pictured = {one.getparent() for one in maybe if self._is_placed(*self._styles(one)[:2])}

    def of(self, element: HtmlElement, around: Look) -> Look | None:
        """The look of what stands in an element; None if all that is below it is not shown."""
        plain = not element.attrib and element.tag not in _CLOSED and element not in self._pictured
        if plain and not self._sheet.certain and not self._sheet.perhaps:
            return around
        own, unsure, unknown = self._styles(element)
        if is_gone(str(element.tag), own, unsure):
            return None
        visibility = own.get("visibility", "inherit")
        over = element in self._pictured or (self._has_pictures and self._is_placed(own, unsure))
        return Look(
            _ink(own, around, "color" in unsure),
            _paper(own, around, unknown or over or not unsure.isdisjoint(PAPERS)),
            _tiny(own.get("font-size", ""), around.tiny and "font-size" not in unsure),
            (around.invisible and "visibility" not in unsure) if visibility == "inherit" else visibility != "visible",
            _edged(own, around.edged) or not unsure.isdisjoint(EDGES),
            UNKNOWN if FILLING in unsure else _filling(own.get(FILLING, "inherit"), around.filling),
        )

    def _styles(self, element: HtmlElement) -> tuple[dict[str, str], set[str], bool]:
        """What holds for an element, what may, and whether a class of it says something that is not known here."""
        classes = [f".{name}" for name in element.get("class", "").split()]
        ids = [f"#{element.get('id')}"] if element.get("id") else []
        tag = str(element.tag)
        own: dict[str, tuple[str, Rank]] = {key: (one[0], _ATTRIBUTES) for key, one in _attributes(element).items()}
        by_rank = (
            ("*", (0, 0, 0)),
            (tag, (0, 0, 1)),
            *((one, (0, 1, 0)) for one in classes),
            *((tag + one, (0, 1, 1)) for one in classes),
            *((one, (1, 0, 0)) for one in ids),
            *((tag + one, (1, 0, 1)) for one in ids),
        )
        for name, specificity in by_rank:
            if name in self._sheet.certain:
                _lay(self._sheet.certain[name], specificity, own)
        if "style" in element.attrib:
            _lay(declarations(element.get("style", "")), _STYLE, own)
        unsure: set[str] = set()
        for name in ("*", tag, *classes, *ids, *(f"[{key}" for key in element.attrib)) if self._sheet.perhaps else ():
            for key, rival in self._sheet.perhaps.get(name, {}).items():
                if key not in own or rival.overrules(*own[key]):
                    unsure.add(key)
        known = self._sheet.certain
        unknown = any(one not in known and tag + one not in known for one in (*classes, *ids))
        return {key: value for key, (value, _) in own.items() if key not in unsure}, unsure, unknown

    @staticmethod
    def _is_placed(own: dict[str, str], unsure: set[str]) -> bool:
        """Whether it may be put upon something else, or that upon it."""
        return "position" in unsure or own.get("position") in PLACED


def _lay(declared: Declared, specificity: tuple[int, int, int], own: dict[str, tuple[str, Rank]]) -> None:
    for key, (value, important) in declared.items():
        rank = (important, specificity)
        if key not in own or rank >= own[key][1]:
            own[key] = (value, rank)


def _is_dot(picture: HtmlElement) -> bool:
    return bool({picture.get("width"), picture.get("height")} & {"0", "1"})


def _attributes(element: HtmlElement) -> Declared:
    """What the attributes of old pages say; any style says otherwise."""
    found: Declared = {}
    if "bgcolor" in element.attrib:
        found["background-color"] = (element.get("bgcolor", ""), False)
    if "background" in element.attrib:
        found["background-image"] = ("url", False)
    ink = element.get("color") if element.tag == "font" else element.get("text") if element.tag == "body" else None
    if ink:
        found["color"] = (ink, False)
    closed = element.tag in _CLOSED and "open" not in element.attrib
    dot = element.tag in ("img", "input") and _is_dot(element)
    if closed or dot or "hidden" in element.attrib or "popover" in element.attrib:
        found["display"] = ("none", False)
    return found


def _tiny(size: str, around: bool) -> bool:
    known = pixels(size)
    return (around and is_part(size)) if known is None else known <= TINY_PIXELS


def _filling(said: str, around: Color | None) -> Color | None:
    if said in ("inherit", "unset"):
        return around
    return None if said in ("currentcolor", "initial") else color_of(said) or UNKNOWN


def _edged(own: dict[str, str], around: bool) -> bool:
    shadow = own.get("text-shadow", "")
    if any("text" in own.get(name, "") for name in CLIPS) or any(
        own.get(name, "0") not in _NO_EDGE for name in STROKES
    ):
        return True
    return shadow not in _NO_EDGE if shadow else around


def _ink(own: dict[str, str], around: Look, unknown: bool) -> Color | None:
    if own.get("color", "inherit") in ("inherit", "unset", "currentcolor"):
        return None if unknown else around.ink
    return color_of(own["color"]) if own["color"] not in ("initial", "none") else None


def _paper(own: dict[str, str], around: Look, unknown: bool) -> Color | None:
    colored = own.get("background-color") or own.get("background")
    if (
        own.get("background-image", "none") != "none"
        or "url" in own.get("background", "")
        or "gradient" in own.get("background", "")
    ):
        return None
    paper = color_of(colored) if colored else CLEAR
    if paper != CLEAR:
        return paper
    return None if unknown else around.paper
