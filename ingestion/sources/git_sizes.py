"""How large a file in a Git repository is, from the head of its object: what is too large is never inflated to know it.

Formats: gitformat-pack(5) for packs; a loose object is a zlib stream that begins with its kind and size.
"""

import zlib
from pathlib import Path

from dulwich.errors import FileFormatException, NotGitRepository
from dulwich.object_store import BaseObjectStore, DiskObjectStore
from dulwich.objects import ObjectID

BROKEN = (KeyError, OSError, ValueError, AssertionError, zlib.error, FileFormatException, NotGitRepository)
"""What dulwich raises for a repository that is damaged, or is none."""

_HEAD_BYTES = 512
"""Holds every head there is: two numbers, the name of another object, and the beginning of a zlib stream."""
_OFFSET_DELTA, _NAMED_DELTA = 6, 7


def size_of(store: BaseObjectStore, sha: ObjectID) -> int:
    """The size in bytes of an object that a repository on disk holds, in itself or in another that it borrows from.

    Raises:
        KeyError: it does not hold it.
        OSError, ValueError, zlib.error: its head cannot be read.
    """
    if isinstance(store, DiskObjectStore):
        found = _in_packs(store, sha)
        found = _loose(store, sha) if found is None else found
        if found is not None:
            return found
        for other in store.alternates:
            try:
                return size_of(other, sha)
            except KeyError:
                continue
    raise KeyError(sha)


def _in_packs(store: DiskObjectStore, sha: ObjectID) -> int | None:
    for pack in store.packs:
        try:
            offset = pack.index.object_offset(sha)
        except KeyError:
            continue
        with Path(pack.data.path).open("rb") as file:
            file.seek(offset)
            return size_in_pack(file.read(_HEAD_BYTES), len(sha) // 2)
    return None


def size_in_pack(head: bytes, name_bytes: int) -> int:
    """The size of the object whose entry in a pack begins with `head`; names of objects have so many bytes.

    One that is stored as a difference has its own size at the beginning of the difference.
    """
    size, at = _number(head, 0, first_bits=4)
    kind = (head[0] >> 4) & 7
    if kind == _OFFSET_DELTA:
        _, at = _number(head, at)
    elif kind == _NAMED_DELTA:
        at += name_bytes
    else:
        return size
    difference = zlib.decompressobj().decompress(head[at:], 32)
    _, after_base = _number(difference, 0)
    return _number(difference, after_base)[0]


def _number(raw: bytes, at: int, first_bits: int = 7) -> tuple[int, int]:
    """A number in pieces of seven bits, the lowest first, and where it ends. The first piece may be shorter."""
    value, shift, bits = 0, 0, first_bits
    while at < len(raw):
        value |= (raw[at] & ((1 << bits) - 1)) << shift
        shift, bits = shift + bits, 7
        at += 1
        if not raw[at - 1] & 0x80:
            return value, at
    raise ValueError("the head of an object is cut off")


def _loose(store: DiskObjectStore, sha: ObjectID) -> int | None:
    name = sha.decode()
    try:
        with (Path(store.path) / name[:2] / name[2:]).open("rb") as file:
            head = zlib.decompressobj().decompress(file.read(_HEAD_BYTES), 64)
    except FileNotFoundError:
        return None
    kind, _, rest = head.partition(b" ")
    size, end, _ = rest.partition(b"\0")
    if not end or not kind.isalpha() or not size.isdigit():
        raise ValueError("the head of an object is damaged")
    return int(size)
