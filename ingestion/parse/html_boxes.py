"""Whether a page shows the box of an element: not if it is taken off the page, clear, moved off it, folded or clipped.

Only what is certain counts, as in `html_looks`: what may undo it, now or in a moment, leaves it shown.
"""

import re
from collections.abc import Collection, Mapping

from ingestion.parse.html_lengths import LENGTH, is_far_away, is_wide, pixels
from ingestion.parse.html_sheets import ANIMATIONS, FLEXES, MARGINS, OVERFLOWS, PADDINGS, SIDES

PLACED = ("absolute", "fixed", "sticky")
_MOVABLE = (*PLACED, "relative")
_GROWING = frozenset(("table", "tr", "td", "th"))
"""What is as large as its content at least."""
_INLINE = re.compile(
    "a|abbr|b|bd[io]|big|cite|code|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike|strong|su[bp]|tt|u|var"
)
"""What takes no size of its own, and is not transformed, unless it is said to be a block."""
_AXES = (
    ("min-height", ("height", "block-size"), "max-height"),
    ("min-width", ("width", "inline-size"), "max-width"),
)
_UNFLEXED = ("none", "0", "auto", "initial", "unset", "0 0 auto", "0 1 auto")
_CALL = re.compile(r"(\w+)\(([^()]*)\)")
_NO_AREA = re.compile(r"circle\(0(?:px|%)?(?:\s[^()]*)?\)|polygon\((?:0(?:px|%)?[\s,]*)+\)")
_NEXT_TO_NOTHING = 0.05

Styles = Mapping[str, str]


def is_gone(tag: str, own: Styles, unsure: Collection[str]) -> bool:
    """By what holds for an element, and what may as well: names of properties of which the value is not known."""
    if own.get("display") == "none" or own.get("content-visibility") == "hidden":
        return True
    if _is_moved(own) or _is_folded(tag, own, unsure):
        return True
    # What fades or flies in is clear or away before it does.
    moves = any(name in unsure or own.get(name, "none") != "none" for name in ANIMATIONS)
    return not moves and (_is_clear(own) or _is_transformed_away(tag, own) or _is_clipped(own))


def _is_clear(own: Styles) -> bool:
    filters = (inside for name, inside in _CALL.findall(own.get("filter", "")) if name == "opacity")
    return any(_is_next_to_nothing(ratio) for ratio in (own.get("opacity", ""), *filters))


def _is_next_to_nothing(ratio: str) -> bool:
    found = LENGTH.fullmatch(ratio.strip())
    return found is not None and float(found.group(1)) <= _NEXT_TO_NOTHING * (100 if found.group(2) == "%" else 1)


def _is_moved(own: Styles) -> bool:
    sides = [own.get(side, "") for side in MARGINS]
    if own.get("position") in _MOVABLE:
        sides += [part for side in SIDES for part in own.get(side, "").split()]
    return any(is_far_away(side) for side in sides)


def _is_transformed_away(tag: str, own: Styles) -> bool:
    if _INLINE.fullmatch(tag) and own.get("display", "inline") == "inline" and own.get("position") not in PLACED:
        return False
    calls = _CALL.findall(own.get("transform", ""))
    calls += [(name, own[name]) for name in ("scale", "translate") if name in own]
    for name, inside in calls:
        on_page = re.split(r"[\s,]+", inside.strip())[:2]
        if name in ("scale", "scale3d", "scalex", "scaley") and any(map(_is_no_size, on_page)):
            return True
        if name in ("translate", "translate3d", "translatex", "translatey") and any(map(is_far_away, on_page)):
            return True
    return False


def _is_no_size(factor: str) -> bool:
    """A negative one turns a box over."""
    return not factor.startswith("-") and _is_next_to_nothing(factor)


def _is_folded(tag: str, own: Styles, unsure: Collection[str]) -> bool:
    """Its content is cut off behind its edge, and there is next to nothing in front of that."""
    if not any(own.get(name, "").startswith(("hidden", "clip")) for name in OVERFLOWS):
        return False
    # What is cut off begins behind the padding: a box without height may be padded to the shape of its content.
    if any(is_wide(own[name]) for name in PADDINGS if name in own):
        return False
    flexed = any(name in unsure or own.get(name, "none") not in _UNFLEXED for name in FLEXES)
    for least, extents, most in _AXES:
        if least in unsure or not _is_nothing(own.get(least, "0"), "auto", "initial", "unset"):
            continue
        if _is_nothing(own.get(most, "none")) or (
            not flexed and tag not in _GROWING and any(_is_nothing(own.get(name, "auto")) for name in extents)
        ):
            return True
    return False


def _is_nothing(extent: str, *nothing: str) -> bool:
    """Shares may be of what is not known, and then are none."""
    size = None if extent.endswith("%") else pixels(extent)
    return extent in nothing or (size is not None and size <= 1)


def _is_clipped(own: Styles) -> bool:
    path = own.get("clip-path", "")
    if _NO_AREA.fullmatch(path):
        return True
    for name, inside in _CALL.findall(path):
        if name == "inset" and _meet(inside.partition("round")[0].split()):
            return True
    called = _CALL.fullmatch(own.get("clip", ""))
    if not called or called.group(1) != "rect" or own.get("position") not in ("absolute", "fixed"):
        return False
    edges = [pixels(edge) for edge in re.split(r"[\s,]+", called.group(2).strip())]
    if len(edges) != 4:
        return False
    top, right, bottom, left = edges
    return _apart(bottom, top) <= 1 or _apart(right, left) <= 1


def _meet(insets: list[str]) -> bool:
    """Whether what is taken off from two sides of a box is all of it. In the order of CSS: top, right, bottom, left."""
    found = [LENGTH.fullmatch(inset) for inset in insets]
    shares = [float(one.group(1)) for one in found if one and (one.group(2) == "%" or not float(one.group(1)))]
    if not 1 <= len(shares) == len(insets) <= 4:
        return False
    top = shares[0]
    right = shares[1] if len(shares) > 1 else top
    bottom = shares[2] if len(shares) > 2 else top
    left = shares[3] if len(shares) > 3 else right
    return top + bottom >= 100 or right + left >= 100


def _apart(far: float | None, near: float | None) -> float:
    return float("inf") if far is None or near is None else far - near
