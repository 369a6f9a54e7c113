"""Where the lines of a paragraph of a Word document stand, as far as they may stand where nobody sees them."""

import re
from typing import NamedTuple

from lxml import etree

from ingestion.parse.colors import POINTS_MIN
from ingestion.parse.word_tree import value, w

_TO_THE_LEFT = ("", "left", "start", "both", "distribute")


class Place(NamedTuple):
    """What one place says; None where it says nothing. Lengths in the 20th part of a point."""

    height: tuple[int, str] | None = None
    left: int | None = None
    first: int | None = None
    aligned: str | None = None

    def over(self, other: "Place") -> "Place":
        """This, and the other where this says nothing."""
        return Place._make(its if own is None else own for own, its in zip(self, other, strict=True))

    @property
    def is_low(self) -> bool:
        """Whether its lines are too low to be seen. As of rows, an exact height of nothing is none."""
        height, rule = self.height or (0, "")
        return rule == "exact" and 0 < height < 20 * POINTS_MIN

    def is_beside(self, width: int) -> bool:
        """Whether all its lines begin outside of a page of this width."""
        left = self.left or 0
        begins = (left, left + (self.first or 0))
        to_the_left = (self.aligned or "") in _TO_THE_LEFT and max(begins) <= -width
        return to_the_left or min(begins) >= width


def place_of(properties: etree._Element | None) -> Place:
    """Of the properties of a paragraph or a style."""
    if properties is None:
        return Place()
    spacing, indent = properties.find(w("spacing")), properties.find(w("ind"))
    line = _length(spacing, "line")
    hanging = _length(indent, "hanging")
    left = _length(indent, "start")
    return Place(
        None if spacing is None or line is None else (line, str(spacing.get(w("lineRule"), "auto"))),
        _length(indent, "left") if left is None else left,
        _length(indent, "firstLine") if hanging is None else -hanging,
        value(properties.find(w("jc"))) or None,
    )


def _length(element: etree._Element | None, name: str) -> int | None:
    text = "" if element is None else str(element.get(w(name), ""))
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
