"""Archives that a source hands out as streams, fetched once for many of their members.

They are kept as files without a name, a few of them: what a crash leaves behind is nothing.
"""

import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, NamedTuple

from ingestion.parse.document import Reason, Refused
from ingestion.sources.protocol import SourceItem

KEPT_BYTES_MAX = 128 << 20
"""On disk, for one listing; the archive that was asked for last is kept whatever its size."""
KEPT_MAX = 16
"""As many files are open."""
_STEP = 1 << 20


class _Kept(NamedTuple):
    item: SourceItem
    """Held, so that its place in memory is nobody else's."""
    file: BinaryIO
    size: int


class FetchedArchives:
    """The archives of one listing that were read last. Thread-safe. What a source has as a file is opened there.

    What is kept is of the revision that was listed, and serves members as they were listed, whatever came since. What
    had to be given up is fetched again, where the source refuses another revision.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        weakref.finalize(self, _close, self._kept)

    @contextmanager
    def file(self, item: SourceItem) -> Iterator[BinaryIO]:
        """The archive as a regular file, which a parser process can read by itself.

        Raises:
            Refused: too_large.
            OSError: as `SourceItem.open`.
        """
        if item.size > self._bytes_max:
            raise Refused(Reason.TOO_LARGE)
        with ExitStack() as opened, ExitStack() as locked:
            # One at a time: a kept file has one place that it is read at, and is not closed under its reader.
            locked.enter_context(self._lock)
            kept = self._kept.get(id(item))
            if kept is None:
                stream = opened.enter_context(item.open())
                if _is_real(stream):
                    locked.close()  # Each reader has it open for itself.
                    yield stream
                    return
                kept = self._keep(item, stream)
                opened.close()
            self._kept.move_to_end(id(item))
            yield kept.file

    def _keep(self, item: SourceItem, stream: BinaryIO) -> _Kept:
        with ExitStack() as unless_kept:
            spooled = unless_kept.enter_context(tempfile.TemporaryFile())
            size = 0
            while piece := stream.read(_STEP):
                size += len(piece)
                if size > self._bytes_max:
                    raise Refused(Reason.TOO_LARGE)
                spooled.write(piece)
            spooled.flush()
            unless_kept.pop_all()
        kept = self._kept[id(item)] = _Kept(item, spooled, size)
        while len(self._kept) > KEPT_MAX or (
            len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > KEPT_BYTES_MAX
        ):
            self._kept.popitem(last=False)[1].file.close()
        return kept


def _close(kept: OrderedDict[int, _Kept]) -> None:
    for one in kept.values():
        one.file.close()


def _is_real(opened: BinaryIO) -> bool:
    try:
        opened.fileno()
    except (OSError, AttributeError):
        return False
    return opened.seekable()
