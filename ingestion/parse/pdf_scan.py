"""Text that recognition wrote unpainted over a scan, or painted under it: not seen itself, but what the scan shows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingestion.parse.pdf_objects import Box, Objects, Placed

PAGE_FROM = 0.5
"""The part of a page that an image covers if text under it is that of a scan. Smaller ones cover what they hide."""
COVER_PT = 3.0
"""Thinner shapes are lines."""
LOOKED_AT_MAX = 20_000
"""Images, and shapes, whose places are looked at. With more, each is taken to be everywhere."""
_BAND_PT = 20.0
_BANDS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Place:
    box: Box
    order: int


class Places:
    """Things by where they are, to be found by a point in them."""

    def __init__(self, things: list[Placed], smallest: float = 0.0, at_most: int = LOOKED_AT_MAX) -> None:
        self.everywhere = len(things) > at_most
        self._bands: dict[int, list[_Place]] = {}
        left_to_add = 10 * at_most
        for one in () if self.everywhere else things:
            box = one.box()
            if min(box[2] - box[0], box[3] - box[1]) < smallest:
                continue
            first, last = _band(box[1]), _band(box[3])
            left_to_add -= last - first
            self.everywhere = self.everywhere or left_to_add < 0
            for band in () if self.everywhere else range(first, last + 1):
                self._bands.setdefault(band, []).append(_Place(box, one.order))

    def at(self, x: float, y: float) -> Iterable[_Place]:
        return (
            one
            for one in self._bands.get(_band(y), ())
            if one.box[0] <= x <= one.box[2] and one.box[1] <= y <= one.box[3]
        )

    def meeting(self, box: Box) -> Iterator[_Place]:
        """Some of them more than once."""
        for band in range(_band(box[1]), _band(box[3]) + 1):
            for one in self._bands.get(band, ()):
                left, bottom, right, top = one.box
                if left <= box[2] and box[0] <= right and bottom <= box[3] and box[1] <= top:
                    yield one


def _band(y: float) -> int:
    return max(-_BANDS_MAX, min(_BANDS_MAX, int(y // _BAND_PT)))


class Scan:
    """The images of a page as what its text may have been read from."""

    def __init__(self, drawn: Objects, page: Box) -> None:
        self._images = Places(drawn.images)
        self._shapes = drawn.shapes
        self._covers: Places | None = None
        self._page_size = PAGE_FROM * _size(page)

    def has_image_at(self, box: Box) -> bool:
        return self._images.everywhere or any(True for _ in self._images.at(*_middle(box)))

    def has_image_near(self, box: Box) -> bool:
        return self._images.everywhere or any(True for _ in self._images.meeting(box))

    def shows(self, box: Box, order: int, *, is_painted: bool, wholly: bool = False) -> bool | None:
        """Whether what is written here was read from a scan; None where that is to be seen on a picture only.

        `wholly`: all of the box lies on the scan, and not only its middle.
        """
        if self._images.everywhere:
            return None
        x, y = _middle(box)
        images = [
            one
            for one in self._images.at(x, y)
            if (not is_painted or (one.order > order and _size(one.box) >= self._page_size))
            and (not wholly or _contains(one.box, box))
        ]
        if not images:
            return False
        if self._covers is None:
            self._covers = Places(self._shapes, COVER_PT)
        last = max(one.order for one in images)
        covered = self._covers.everywhere or any(one.order > last for one in self._covers.meeting(box))
        return None if covered else True


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _contains(one: Box, other: Box) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and other[2] <= one[2] and other[3] <= one[3]


def _size(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
