"""How cells of a workbook look where it matters: formats of numbers, and text that nobody sees on the sheet."""

from dataclasses import dataclass
from typing import Any

from openpyxl.styles.colors import COLOR_INDEX
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE

from ingestion.parse.colors import BLACK, POINTS_MIN, UNKNOWN, WHITE, alike

_NOTHING_SHOWN = (";;", ";;;")
"""Formats that show no value whatever it is."""
_THEME = {0: WHITE, 1: BLACK}
"""Paper and ink; a theme's other colours are compared by their numbers only."""
_AUTOMATIC = 64
"""From here on an indexed colour is the window's."""


@dataclass(frozen=True, slots=True)
class Style:
    """`unseen` wherever it stands; `white_on_white` unless something else colours the paper."""

    number_format: str = "General"
    unseen: bool = False
    white_on_white: bool = False


class Styles:
    """Styles of cells, each looked at once."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._known: dict[int, Style] = {}

    def of(self, number: int) -> Style:
        if number not in self._known:
            self._known[number] = self._look(number)
        return self._known[number]

    def _look(self, number: int) -> Style:
        try:
            style = self._book._cell_styles[number]
            font, fill = self._book._fonts[style.fontId], self._book._fills[style.fillId]
        except IndexError:
            return Style()
        number_format = self._format(style.numFmtId)
        unseen = number_format.replace(" ", "") in _NOTHING_SHOWN
        unseen |= font.sz is not None and font.sz < POINTS_MIN
        paper = _paper(fill)
        if paper is None:
            return Style(number_format, unseen, alike(_color(font.color), WHITE))
        return Style(number_format, unseen or _same(font.color, paper))

    def _format(self, number: int) -> str:
        own = number - BUILTIN_FORMATS_MAX_SIZE
        if 0 <= own < len(self._book._number_formats):
            return str(self._book._number_formats[own])
        return str(BUILTIN_FORMATS.get(number) or "General")


def _paper(fill: Any) -> Any:
    """The colour that a cell is filled with; None for none."""
    kind = getattr(fill, "fill_type", None)
    if kind is None:
        return None
    return fill.fgColor if kind == "solid" else UNKNOWN


def _same(ink: Any, paper: Any) -> bool:
    if ink is None or paper == UNKNOWN:
        return False
    if ink.type == paper.type == "theme" and (ink.value, ink.tint) == (paper.value, paper.tint):
        return True
    return alike(_color(ink), _color(paper))


def _color(color: Any) -> str:
    if color is None or color.tint:
        return UNKNOWN
    if color.type == "rgb":
        return str(color.value)[-6:]
    if color.type == "indexed" and 0 <= color.value < min(_AUTOMATIC, len(COLOR_INDEX)):
        return str(COLOR_INDEX[color.value])[-6:]
    return _THEME.get(color.value, UNKNOWN) if color.type == "theme" else UNKNOWN
