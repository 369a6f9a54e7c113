"""The style sheets of a page: what their rules say of each simple selector, for certain or perhaps.

Certain is a rule of a plain selector that holds on every screen. Of others it is only kept what they may change.
"""

import re
from typing import NamedTuple

from ingestion.parse.html_css import Holds, Rule, holds, rules
from ingestion.parse.html_lengths import LENGTH

_SIMPLE_SELECTOR = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)?(?:([.#])([\w-]+))?")
_COMBINATORS = re.compile(r"[\s>+~]+")
_CONDITION = re.compile(r"(?<!\\)[:\[]")
_NAMES = re.compile(r"[.#\[]?-?(?:[a-zA-Z_]|\\.)(?:[\w-]|\\.)*|\*")
_NO_NAMES = re.compile(r"[~|^$*]?=[^\]]*|\([\d+n\s-]*\)")
"""Values of attributes, and which of several elements it is."""
_LATER = re.compile(r":(?:hover|focus|active|visited|target|placeholder|host|-)|::(?!before|after)", re.I)
"""Of what a page does not look like when it is opened, or of what is no text of it."""
_PAINTED = re.compile(r"::?(?:before|after)", re.I)
"""What is put in front of an element, or behind its text."""

SIDES = ("left", "top", "right", "bottom", "inset")
MARGINS = ("text-indent", "margin-left", "margin-top", "margin-inline-start")
FLEXES = ("flex", "flex-grow", "flex-basis")
ANIMATIONS = ("animation", "animation-name")
FILLING = "-webkit-text-fill-color"
PAPERS = ("background", "background-color", "background-image")
STROKES = ("-webkit-text-stroke", "-webkit-text-stroke-width")
CLIPS = ("background-clip", "-webkit-background-clip")
EDGES = ("text-shadow", *STROKES, *CLIPS)
PADDINGS = ("padding", "padding-top", "padding-bottom")
OVERFLOWS = ("overflow", "overflow-x", "overflow-y")
_EXTENTS = tuple(f"{which}{extent}" for which in ("min-", "max-", "") for extent in ("height", "width"))
_SIZES = (*_EXTENTS, "block-size", "inline-size", *FLEXES, *PADDINGS, *OVERFLOWS)
_PLACES = ("position", *SIDES, *MARGINS, "transform", "scale", "translate")
_PAINT = ("display", "visibility", "opacity", "filter", "clip", "clip-path", "content-visibility", *ANIMATIONS)
_LETTERS = ("font", "font-size", "color", FILLING, *EDGES)
_READ = frozenset((*_SIZES, *_PLACES, *PAPERS, *_PAINT, *_LETTERS))
_VALUE_CHARS_MAX = 100

Declared = dict[str, tuple[str, bool]]
"""By property: its value, and whether it is important."""
Specificity = tuple[int, int, int]
_NESTED: Specificity = (99, 0, 0)
"""At the most, where not all of a selector is looked at."""
Rank = tuple[bool, Specificity]
"""Of two values the one of higher rank holds, of equals the later."""


class Rival(NamedTuple):
    """The highest value that may hold for a property, and the highest other one: that which may overrule a third."""

    value: str
    rank: Rank
    other: Rank | None = None

    def joined(self, value: str, rank: Rank) -> "Rival":
        if value == self.value:
            return self._replace(rank=max(rank, self.rank))
        if rank > self.rank:
            return Rival(value, rank, self.rank)
        return self._replace(other=rank if self.other is None else max(rank, self.other))

    def overrules(self, value: str, rank: Rank) -> bool:
        """Whether another value may hold instead of this one."""
        against = self.other if value == self.value else self.rank
        return against is not None and against >= rank


class Sheet:
    """What the rules say, by names: `*`, `td`, `.x`, `td.x`, `#x`, `td#x`; `perhaps`, by single ones and by `[x`."""

    def __init__(self) -> None:
        self.certain: dict[str, Declared] = {}
        self.perhaps: dict[str, dict[str, Rival]] = {}
        self.imports = False

    def read(self, css: str, media: str) -> None:
        always = holds(f"@media {media}".strip())
        if always is Holds.NEVER:
            return
        self.imports = self.imports or "@import" in css.lower()
        for rule in rules(css):
            declared = declarations(rule.declarations)
            for selector in rule.selectors.split(",") if declared else ():
                self._learn(
                    selector.strip(), declared, rule if always is Holds.ALWAYS else rule._replace(certain=False)
                )

    def _learn(self, selector: str, declared: Declared, rule: Rule) -> None:
        name = f"html{selector[5:]}" if selector[:5].lower() == ":root" else selector
        if not name or _LATER.search(name):
            return
        painted = _PAINTED.search(name) is not None
        if painted:
            declared = {key: one for key, one in declared.items() if key in PAPERS}
            name = _PAINTED.sub("", name) or "*"
        simple = _SIMPLE_SELECTOR.fullmatch(name)
        if rule.certain and not painted and (simple or name == "*"):
            tag = simple.group(1) or "" if simple else ""
            known = self.certain.setdefault(tag.lower() + name[len(tag) :], {})
            known.update({key: one for key, one in declared.items() if one[1] or not known.get(key, one)[1]})
            return
        specificity = _NESTED if rule.nested or painted else _at_most(name)
        for part in _last_names(name):
            may = self.perhaps.setdefault(part, {})
            for key, (value, important) in declared.items():
                rank = (important or painted, specificity)
                # What is painted beside an element is another paper than its own, also where the colour is the same.
                value = "" if painted else value
                may[key] = may[key].joined(value, rank) if key in may else Rival(value, rank)


def _at_most(selector: str) -> Specificity:
    ids, classes = selector.count("#"), sum(map(selector.count, ".:["))
    return ids, classes, len(_COMBINATORS.split(selector))


def _last_names(selector: str) -> list[str]:
    """Names of which every element that the selector selects has one; none for what a rule around says."""
    last = _COMBINATORS.split(_NO_NAMES.sub("", selector).strip())[-1]
    if last == "&":
        return []
    named = _NAMES.findall(last)
    given = [name for name in named if name[0] in ".#["] or named
    # What scripts switch over for the page as a whole, as by the hour of the day, they write into these.
    given += [name for name in named if name in ("html", "body")]
    if ":" in last:  # what is named behind it may be what the element is not
        given += _NAMES.findall(_CONDITION.split(last)[0]) or ["*"]
    return [name.replace("\\", "") if name[0] in ".#[" else name.lower() for name in given] or ["*"]


def declarations(text: str) -> Declared:
    found: Declared = {}
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name = name.strip().lower()
        if name not in _READ:
            continue
        value, important, _ = value.strip().lower().partition("!")
        value = value.strip()[:_VALUE_CHARS_MAX]
        if name == "font":
            sizes = [size for size in re.split(r"[\s/]+", value) if LENGTH.fullmatch(size)]
            # A weight is a number as well, but it comes first and is large.
            small = next((size for size in sizes if not size.isdigit() or int(size) < 100), "")
            # Without a length it is one of the sizes that have names, or a system font.
            name, value = "font-size", small or (value if value in ("inherit", "unset") else "medium")
        if value:
            found[name] = (value, bool(important))
    return found
