"""Whether a page shows its text: what its own style sheets and attributes make of each element.

Only what is certain counts. Of a rule whose selector is not understood, or that holds for some screens only, nobody can
say what it does: what it might change is taken as unknown, and unknown text is shown.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from lxml.html import HtmlElement

from ingestion.parse.html_colors import CLEAR, WHITE, Color, alike, color_of

_SEPARATE = re.compile(r"[{};]")
_SIMPLE_SELECTOR = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)?(?:([.#])([\w-]+))?")
_NAMES = re.compile(r"[.#]?[a-zA-Z_][\w-]*|\*")
_LATER = re.compile(r":(?:hover|focus|active|visited|target|:?before|:?after|:?selection|:?placeholder)", re.I)
"""Of what a page does not look like when it is opened, or of what is no text of it."""
_ALWAYS = re.compile(r"@layer\b.*|@media(?:\s+(?:only\s+)?(?:all|screen))?", re.I | re.S)
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|pc|em|rem|ex|ch|%|)")
_FAR_AWAY = re.compile(r"-\d{3,}")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "pc": 16.0, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "%": 0.16}
_SIDES = ("left", "top", "right", "bottom", "text-indent", "margin-left", "margin-top")
_EXTENTS = ("height", "max-height", "width", "max-width")
_PAINT = ("display", "visibility", "opacity", "font", "font-size", "color", "background", "background-color")
_BOX = ("background-image", "overflow", "overflow-x", "overflow-y", "padding", "padding-top", "padding-bottom")
_PAPERS = ("background", "background-color", "background-image")
_READ = frozenset((*_SIDES, *_EXTENTS, *_PAINT, *_BOX))
_TINY_PIXELS = 2.0
_LINE_PIXELS = 8
_VALUE_CHARS_MAX = 100

_Declared = dict[str, tuple[str, bool]]
"""By property: its value, and whether it is important."""


class Look(NamedTuple):
    """What text inherits. `paper` and `ink` are None where they are not known; ink mostly is not: nobody sets it."""

    ink: Color | None = None
    paper: Color | None = WHITE
    tiny: bool = False
    invisible: bool = False

    @property
    def shows_text(self) -> bool:
        if self.tiny or self.invisible or self.ink == CLEAR:
            return False
        return self.ink is None or self.paper is None or not alike(self.ink, self.paper)


class Looks:
    """The style sheets of a page, to be asked about its elements."""

    def __init__(self, root: HtmlElement) -> None:
        self._rules: dict[str, _Declared] = {}
        self._unsure: dict[str, set[str]] = {}
        for sheet in root.iter("style"):
            if _applies(f"@media {sheet.get('media', '')}".strip()):
                for selectors, declarations in _rules(sheet.text or ""):
                    self._learn(selectors, declarations)

    def _learn(self, selectors: str, declarations: str) -> None:
        declared = _declared(declarations)
        for selector in selectors.split(","):
            name = selector.strip()
            simple = _SIMPLE_SELECTOR.fullmatch(name)
            if simple or name == "*":
                tag = simple.group(1) or "" if simple else ""
                known = self._rules.setdefault(tag.lower() + name[len(tag) :], {})
                known.update({key: one for key, one in declared.items() if one[1] or not known.get(key, one)[1]})
            elif name and not _LATER.search(name):
                parts = _NAMES.findall(name.split()[-1])
                named = [part for part in parts if part[0] in ".#"]
                for part in named or parts:
                    self._unsure.setdefault(part, set()).update(declared)

    def of(self, element: HtmlElement, around: Look) -> Look | None:
        """The look of what stands in an element; None if all that is below it is not shown."""
        if "hidden" in element.attrib or element.get("aria-hidden") == "true":
            return None
        if not element.attrib and not self._rules and not self._unsure:
            return around
        own, unsure, unknown = self._styles(element)
        if _gone(own):
            return None
        visibility = own.get("visibility", "inherit")
        size = _pixels(own.get("font-size", ""))
        return Look(
            _ink(own, around, "color" in unsure),
            _paper(own, around, unknown or not unsure.isdisjoint(_PAPERS)),
            (around.tiny and "font-size" not in unsure) if size is None else size <= _TINY_PIXELS,
            (around.invisible and "visibility" not in unsure) if visibility == "inherit" else visibility != "visible",
        )

    def _styles(self, element: HtmlElement) -> tuple[dict[str, str], set[str], bool]:
        """What holds for an element, what may, and whether a class of it says something that is not known here."""
        classes = [f".{name}" for name in element.get("class", "").split()]
        ids = [f"#{element.get('id')}"] if element.get("id") else []
        tag = str(element.tag)
        names = ["*", tag, *classes, *(tag + one for one in classes), *ids, *(tag + one for one in ids)]
        layers = [_attributes(element), *(self._rules[name] for name in names if name in self._rules)]
        if "style" in element.attrib:
            layers.append(_declared(element.get("style", "")))
        own = {key: value for layer in layers for key, (value, _) in layer.items()}
        own |= {key: value for layer in layers for key, (value, important) in layer.items() if important}
        unsure: set[str] = set()
        for name in names if self._unsure else ():
            unsure |= self._unsure.get(name, set())
        unknown = any(one not in self._rules and tag + one not in self._rules for one in (*classes, *ids))
        return own, unsure - own.keys(), unknown


def _attributes(element: HtmlElement) -> _Declared:
    """What the attributes of old pages say; any style says otherwise."""
    found: _Declared = {}
    if "bgcolor" in element.attrib:
        found["background-color"] = (element.get("bgcolor", ""), False)
    if "background" in element.attrib:
        found["background-image"] = ("url", False)
    ink = element.get("color") if element.tag == "font" else element.get("text") if element.tag == "body" else None
    if ink:
        found["color"] = (ink, False)
    if element.tag in ("img", "input") and {element.get("width"), element.get("height")} & {"0", "1"}:
        found["display"] = ("none", False)
    return found


def _gone(own: dict[str, str]) -> bool:
    """Taken off the page, transparent, moved off it, or folded to nothing."""
    if own.get("display") == "none":
        return True
    opacity = _LENGTH.fullmatch(own.get("opacity", ""))
    if opacity and float(opacity.group(1)) <= (5.0 if opacity.group(2) else 0.05):
        return True
    if any(_FAR_AWAY.match(own.get(side, "")) for side in _SIDES):
        return True
    cut = any(own.get(name, "").startswith(("hidden", "clip")) for name in ("overflow", "overflow-x", "overflow-y"))
    # What is cut off begins behind the padding: a box without height may be padded to the shape of its content.
    padded = any(_is_wide(own[name]) for name in ("padding", "padding-top", "padding-bottom") if name in own)
    sizes = [_pixels(own[name]) for name in _EXTENTS if name in own and not own[name].endswith("%")]
    return cut and not padded and any(size is not None and size <= 1 for size in sizes)


def _is_wide(padding: str) -> bool:
    sides = padding.split()
    return any(("%" in side and side[0] in "123456789") or (_pixels(side) or 0) > _LINE_PIXELS for side in sides)


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


def _pixels(value: str) -> float | None:
    found = _LENGTH.fullmatch(value)
    if found is None:
        return None
    number = float(found.group(1))
    small = number * _PIXELS[found.group(2)]
    # Of what these are parts is not known: only next to nothing is small.
    return None if found.group(2) in ("em", "ex", "%") and small > _TINY_PIXELS else small


class _Block(NamedTuple):
    """What stands before an opened brace. An at-rule holds rules; it applies if it does so on every screen."""

    prelude: str
    start: int
    holds_rules: bool
    applies: bool


_EVERYWHERE = _Block("", 0, True, True)


def _declared(text: str) -> _Declared:
    found: _Declared = {}
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name = name.strip().lower()
        if name not in _READ:
            continue
        value, important, _ = value.strip().lower().partition("!")
        value = value.strip()[:_VALUE_CHARS_MAX]
        if name == "font":
            sizes = [size for size in re.split(r"[\s/]+", value) if _LENGTH.fullmatch(size)]
            # A weight is a number as well, but it comes first and is large.
            small = next((size for size in sizes if not size.isdigit() or int(size) < 100), "")
            name, value = "font-size", small
        if value:
            found[name] = (value, bool(important))
    return found


def _applies(prelude: str) -> bool:
    """Whether an at-rule holds on every screen."""
    if not prelude.lower().startswith("@media"):
        return _ALWAYS.fullmatch(prelude) is not None
    return any(_ALWAYS.fullmatch(f"@media {one.strip()}".strip()) for one in prelude[6:].split(","))


def _rules(sheet: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations of the rules that hold on every screen, in one pass."""
    text = _without_comments(sheet.replace("<!--", " ").replace("-->", " "))
    at = 0
    blocks: list[_Block] = []
    for mark in _SEPARATE.finditer(text):
        above = blocks[-1] if blocks else _EVERYWHERE
        if mark.group() == "{":
            prelude = text[at : mark.start()].strip() if above.holds_rules else ""
            holds_rules = prelude.startswith("@")
            applies = above.applies and above.holds_rules and (not holds_rules or _applies(prelude))
            blocks.append(_Block(prelude, mark.end(), holds_rules, applies))
        elif mark.group() == "}" and blocks:
            block = blocks.pop()
            if block.applies and not block.holds_rules:
                yield block.prelude, text[block.start : mark.start()]
        at = mark.end()


def _without_comments(css: str) -> str:
    """One pass, however many are left open."""
    first, *others = css.split("/*")
    return "".join((first, *(other.partition("*/")[2] for other in others)))
