"""What layouts and masters say on every slide that uses them, beside what slides put into their places."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from pptx.oxml.ns import qn

from ingestion.parse import slide_text
from ingestion.parse.cleaning import refuse_markers
from ingestion.parse.pieces import Pieces
from ingestion.parse.slide_colors import Colors
from ingestion.parse.slide_ground import Ground
from ingestion.parse.slide_shapes import placeholder, shapes
from rag.hidden_content import HiddenKind

_OFF = ("0", "false")


class Layouts:
    """Those of one deck: each is read once, for the first slide that shows it."""

    def __init__(self, pieces: Pieces, size: tuple[int, int]) -> None:
        self._pieces = pieces
        self._size = size
        self._read: set[Any] = set()
        self._said: dict[str, int] = {}

    def take(self, slide: Any, ground: Ground, number: int) -> None:
        """Take note of a slide of the library that is shown.

        Raises:
            Refused: bad_marker. It would stand on slides of which some are in a section and some are not.
        """
        for of in _shown(slide):
            if of.part not in self._read:
                self._read.add(of.part)
                for text in self._texts(of, Colors(of, ground)):
                    self._said.setdefault(text, number)

    def say(self) -> None:
        for text, number in self._said.items():
            self._pieces.add(text, page=number, beside=True)

    def _texts(self, of: Any, colors: Colors) -> Iterator[str]:
        for shape in shapes(of._element.cSld.spTree):
            colors.painted(shape)
            if placeholder(shape.element):
                continue
            counted = set(shape.element.iter(qn("a:fld")))  # another on every slide
            text = slide_text.text(shape.element, counted)
            refuse_markers((text,), "in a layout")
            behind = cache(partial(colors.behind, shape))
            unseen = {run for run in shape.element.iter(qn("a:r")) if colors.unseen(run, behind)}
            if shape.switched_off or shape.beside(*self._size):
                self._hide(text)
            else:
                self._hide("".join(slide_text.text(run) for run in shape.element.iter(qn("a:r")) if run in unseen))
                yield from filter(None, [slide_text.text(shape.element, counted | unseen)])

    def _hide(self, text: str) -> None:
        self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, text)


def _shown(slide: Any) -> Iterator[Any]:
    """The layout of a slide and its master, unless the one above switches them off."""
    if slide._element.get("showMasterSp") in _OFF:
        return
    try:
        layout = slide.slide_layout
        master = layout.slide_master
    except (KeyError, AttributeError, ValueError):
        return  # broken, as a slide may be read without it
    yield layout
    if layout._element.get("showMasterSp") not in _OFF:
        yield master
