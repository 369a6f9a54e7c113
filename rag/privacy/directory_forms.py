"""How the forms of a directory are stored: records of one size in order, so that one is found without reading all."""

import hashlib
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from rag.privacy.known_values import Form, Kind

_RECORD = struct.Struct(">BBH8s16s")
_KINDS = tuple(Kind)


def packed(entities: Iterable[str], entity: str, form: Form) -> bytes:
    """The record of a form; `entity` is one of `entities`, all those of the directory."""
    return _RECORD.pack(sorted(entities).index(entity), _KINDS.index(form.kind), form.length, form.start, form.digest)


def unpacked(entities: Iterable[str], forms: bytes) -> Iterator[tuple[Form, str]]:
    """The stored forms with their entities.

    Raises:
        ValueError: they are not what was stored.
    """
    names = sorted(entities)
    if len(forms) % _RECORD.size:
        raise ValueError("the forms of a directory are cut off")
    for number, kind, length, start, digest in _RECORD.iter_unpack(forms):
        if number >= len(names) or kind >= len(_KINDS):
            raise ValueError("the forms of a directory are not what was stored")
        yield Form(_KINDS[kind], length, start, digest), names[number]


def forms_digest(entities: Mapping[str, int], forms: bytes) -> str:
    return hashlib.sha256(",".join(sorted(entities)).encode() + b"\0" + forms).hexdigest()


@dataclass(frozen=True, slots=True)
class Records(Sequence[bytes]):
    """The stored forms of a directory, one by one."""

    forms: bytes

    def __len__(self) -> int:
        return len(self.forms) // _RECORD.size

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return self.forms[place * _RECORD.size : (place + 1) * _RECORD.size]

    def held(self, records: Collection[bytes]) -> set[bytes]:
        """Which of the records are there."""
        return {one for one in records if (place := bisect_left(self, one)) < len(self) and self[place] == one}

    def without(self, records: Collection[bytes]) -> bytes:
        """All but these, which must be there."""
        kept, done = list[bytes](), 0
        for place in sorted(bisect_left(self, one) for one in records):
            kept.append(self.forms[done * _RECORD.size : place * _RECORD.size])
            done = place + 1
        return b"".join([*kept, self.forms[done * _RECORD.size :]])
