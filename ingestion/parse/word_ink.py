"""How letters of a Word document are painted, by themselves and by the effects of Word 2010 and later."""

import re

from lxml import etree

from ingestion.parse.colors import UNKNOWN, WHITE
from ingestion.parse.word_tree import is_on, value, w

NO_INK = "\0"
"""In place of a colour: nothing is painted. No document can hold it."""
_W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
_PAPER = ("bg1", "lt1")
_TRANSPARENT = 95_000
"""Of 100,000; here, unlike in drawings, it is how much shows through."""
_EDGES = (f"{_W14}textOutline", f"{_W14}shadow", f"{_W14}glow")
_OLD_EDGES = (w("shadow"), w("emboss"), w("imprint"))
_COLORS = (f"{_W14}srgbClr", f"{_W14}schemeClr")


def ink(of: dict[str, etree._Element]) -> str | None:
    """The colour that properties of a run give, by the names of their elements; None where they say nothing."""
    filled = of.get(f"{_W14}textFill")
    return _plain(of.get(w("color"))) if filled is None else _painted(filled)


def edge(of: dict[str, etree._Element]) -> str | None:
    """The colour of what is painted around letters: an outline, a shadow. None where nothing is said."""
    found = [of[name] for name in _EDGES if name in of]
    painted = [color for color in map(_painted, found) if color != NO_INK]
    if painted:
        return painted[0]
    if any(is_on(of.get(name)) for name in _OLD_EDGES):
        return UNKNOWN
    return NO_INK if found else None


def _painted(effect: etree._Element) -> str:
    if effect.find(f"{_W14}noFill") is not None:
        return NO_INK
    color = next(effect.iter(*_COLORS), None)
    if color is None or effect.find(f"{_W14}gradFill") is not None:
        return UNKNOWN
    alpha = color.find(f"{_W14}alpha")
    share = "" if alpha is None else str(alpha.get(f"{_W14}val", ""))
    if re.fullmatch(r"\d{1,6}", share) and int(share) >= _TRANSPARENT:
        return NO_INK
    if len(color) > (alpha is not None):
        return UNKNOWN  # made lighter or darker
    given = str(color.get(f"{_W14}val", ""))
    if color.tag == f"{_W14}srgbClr":
        return given
    return WHITE if given in _PAPER else UNKNOWN


def _plain(color: etree._Element | None) -> str | None:
    if color is None:
        return None
    shown = value(color)
    light = color.get(w("themeColor")) in ("background1", "light1")
    shaded = color.get(w("themeShade")) is not None or color.get(w("themeTint")) is not None
    return WHITE if light and not shaded and shown in ("", "auto") else shown
