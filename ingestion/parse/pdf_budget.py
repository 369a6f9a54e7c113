"""The processor time that may go into pictures of PDF pages: well below what ends the process, for all of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from ingestion.parse.pieces import Pieces

SECONDS = 14.0
"""A process has 40 by default: what reading costs without pictures comes on top, of later pages too."""
AT_ONCE_S = 2.0
"""Of drawing for certain: most documents have no more pages than that is enough for."""


class Budget:
    """Of one document with all that are within it."""

    def __init__(self) -> None:
        self._end = time.process_time() + SECONDS
        self._drawn = self._last = 0.0

    def next_page(self) -> None:
        """One page that is dear to draw makes no other one dear."""
        self._last = 0.0

    def allows(self, pictures: int) -> bool:
        """Whether so many may be made, if they take as long as the last."""
        return time.process_time() + pictures * self._last < self._end

    @property
    def is_begun(self) -> bool:
        """Whether so much of it is gone that pages are drawn only where that is needed."""
        return self._drawn > AT_ONCE_S or not self.allows(2)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Around the making of a picture."""
        begun = time.process_time()
        yield
        self._last = time.process_time() - begun
        self._drawn += self._last


_BUDGETS: WeakKeyDictionary[Pieces, Budget] = WeakKeyDictionary()


def budget_of(pieces: Pieces) -> Budget:
    """The one for all PDFs whose text is collected there."""
    return _BUDGETS.setdefault(pieces, Budget())
