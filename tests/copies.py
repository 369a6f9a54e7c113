"""Copies and readings of a data folder that cost what is in it: the files of an index are mostly holes, which a plain
copy fills with 245 MB of zeros."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def copy_folder(source: Path, target: Path) -> Path:
    """Copy the folder `source` to `target`, holes as holes."""
    shutil.copytree(source, target, copy_function=_copy_with_holes)
    return target


def bytes_written(file: Path) -> bytes:
    """All that was written to the file: its bytes, with one zero for each hole."""
    with file.open("rb") as read:
        return b"\0".join(part for _, part in _parts(read.fileno()))


def _copy_with_holes(source: str, target: str) -> None:
    with Path(source).open("rb") as read, Path(target).open("wb") as written:
        written.truncate(os.fstat(read.fileno()).st_size)
        for start, part in _parts(read.fileno()):
            os.pwrite(written.fileno(), part, start)
    shutil.copystat(source, target)


def _parts(file: int) -> Iterator[tuple[int, bytes]]:
    """The bytes between the holes of an open file, each with its place."""
    size, hole = os.fstat(file).st_size, 0
    while hole < size:
        try:
            start = os.lseek(file, hole, os.SEEK_DATA)
        except OSError:  # no data from here to the end
            return
        hole = os.lseek(file, start, os.SEEK_HOLE)
        yield start, os.pread(file, hole - start, start)
