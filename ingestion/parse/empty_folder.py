"""The empty folder that parser processes have for their whole filesystem, and the end of those left behind.

A process that is killed leaves its folder. Each is locked for as long as its process lives, and the kernel ends the
lock with the process, however that ends: so a folder that can be locked is nobody's, and the next one to start removes
it.
"""

import contextlib
import fcntl
import os
import tempfile
import weakref
from pathlib import Path

PREFIX = "ringfence-parse-"
_READ_ONLY = 0o500


class EmptyFolder:
    """A new empty folder of this process that nobody can write to. `name` is its path."""

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        while (made := _made()) is None:
            pass
        self.name, handle = made
        self._remove = weakref.finalize(self, _removed, self.name, handle)

    def close(self) -> None:
        """Remove it; a second call does nothing."""
        self._remove()


def _made() -> tuple[str, int] | None:
    """A folder and the open handle that holds its lock; None where somebody has swept it before it was locked."""
    name = tempfile.mkdtemp(prefix=PREFIX)
    # What one child could leave there, another could read.
    Path(name).chmod(_READ_ONLY)
    handle = _locked(name)
    if handle is None:
        return None
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(Path(name).stat(), os.fstat(handle)):
            return name, handle
    os.close(handle)
    return None


def _locked(name: str) -> int | None:
    """An open handle of the folder that holds its lock; None where another process has it, or it is no folder."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(temporary: Path) -> None:
    """Remove the folders of processes that are gone. What is not empty, or another account's, is left alone."""
    for folder in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.geteuid() and (handle := _locked(str(folder))) is not None:
                _removed(str(folder), handle)


def _removed(name: str, handle: int) -> None:
    # While it is locked: whoever has just made it would find it gone, and not be left with a lock of nothing.
    with contextlib.suppress(OSError):
        Path(name).rmdir()
    os.close(handle)
