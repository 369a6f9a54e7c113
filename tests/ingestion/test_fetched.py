"""Archives of sources without files: fetched once for their members, and read only as far as a member is asked for."""

import gc
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from evals.hostile.samples import archive
from ingestion import fetched
from ingestion.archives import unpacked
from ingestion.fetched import FetchedArchives
from ingestion.parse.confine import Limits
from ingestion.parse.document import ARCHIVE_BYTES_MAX, Reason, Refused
from ingestion.parse.sandbox import Sandbox
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing
from policies.rules import Level
from rag.hidden_content import HiddenAction, HiddenKind

BYTES_MAX = 200_000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(20, 10, 1_500_000_000, 400_000)) as opened:
        yield opened


class Streamed:
    """A document of a source over a network, which refuses what is not the revision that was listed."""

    modified_ns = 0
    labels = Labels("legal", Level.INTERNAL)

    def __init__(self, path: str, data: bytes) -> None:
        self.path = self.identity = path
        self.revision = "1"
        self.hidden: dict[HiddenKind, HiddenAction] = {}
        self.size = len(data)
        self.data = data
        self.is_listed = True
        self.fetches = 0

    def open(self) -> BinaryIO:
        self.fetches += 1
        if not self.is_listed:
            raise ChangedSinceListed("changed")
        return io.BytesIO(self.data)


def read(listing: Listing) -> list[bytes]:
    return [item.open().read() for item in listing.items]


def directory_says(data: bytes, size: int) -> bytes:
    """The archive whose directory says that its first member has so many bytes."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.index(b"PK\x01\x02") + 24, size)
    return bytes(changed)


def test_an_archive_is_fetched_once_for_all_its_members(sandbox: Sandbox) -> None:
    item = Streamed("a.zip", archive({"a.txt": "Alpha", "b.txt": "Beta"}))
    listing = unpacked(Listing((item,)), sandbox, BYTES_MAX)
    # What it holds now is not what was listed, and is of other labels.
    item.is_listed = False
    assert read(listing) == [b"Alpha", b"Beta"]
    assert item.fetches == 1


def test_what_had_to_be_given_up_is_fetched_again_and_refused_where_it_has_changed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetched, "KEPT_MAX", 1)
    one, other = Streamed("a.zip", archive({"a.txt": "Alpha", "b.txt": "Beta"})), Streamed("c.zip", archive({"c": "C"}))
    listing = unpacked(Listing((one, other)), sandbox, BYTES_MAX)
    assert read(listing) == [b"Alpha", b"Beta", b"C"]
    assert (one.fetches, other.fetches) == (2, 2)
    one.is_listed = False
    with pytest.raises(ChangedSinceListed):
        listing.items[0].open()


@pytest.mark.parametrize(("bytes_max", "kept"), [(100, 2), (15, 1), (1, 1)])
def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch, bytes_max: int, kept: int) -> None:
    monkeypatch.setattr(fetched, "KEPT_BYTES_MAX", bytes_max)
    archives, items = FetchedArchives(BYTES_MAX), [Streamed(name, bytes(10)) for name in ("a.zip", "b.zip")]
    files = []
    for item in (*items, items[1]):
        with archives.file(item) as file:
            assert file.seek(0) == 0 and file.read() == bytes(10)
            files.append(file)
    assert sum(not file.closed for file in set(files)) == kept
    assert [item.fetches for item in items] == [1, 1]
    del archives
    gc.collect()
    assert all(file.closed for file in files)


def test_what_is_larger_than_it_may_be_is_not_kept(sandbox: Sandbox) -> None:
    item = Streamed("a.zip", archive({"a.txt": "Alpha"}))
    item.size = 1
    with pytest.raises(Refused) as refused, FetchedArchives(10).file(item):
        pass
    assert refused.value.reason is Reason.TOO_LARGE
    item.size = len(item.data)
    assert read(unpacked(Listing((item,)), sandbox, item.size)) == [b"Alpha"]


def test_a_listing_takes_the_sizes_of_the_directory_and_no_member_gives_more(sandbox: Sandbox) -> None:
    """It decompresses nothing. What a directory says too little of is cut there, and its checksum is wrong then."""
    data = archive({"a.txt": "A" * 1000, "b.txt": "Beta"})
    listing = unpacked(Listing((Streamed("a.zip", data),)), sandbox, BYTES_MAX)
    assert [item.size for item in listing.items] == [1000, 4]
    listing = unpacked(Listing((Streamed("a.zip", directory_says(data, 10)),)), sandbox, BYTES_MAX)
    assert [item.size for item in listing.items] == [10, 4]
    with pytest.raises(Refused) as refused:
        listing.items[0].open()
    assert refused.value.reason is Reason.BROKEN
    assert listing.items[1].open().read() == b"Beta"


def test_an_archive_whose_directory_says_too_much_is_a_bomb(sandbox: Sandbox) -> None:
    data = archive({"a.txt": "Alpha"})
    most = unpacked(Listing((Streamed("a.zip", directory_says(data, ARCHIVE_BYTES_MAX)),)), sandbox, BYTES_MAX)
    assert [item.path for item in most.items] == ["a.zip/a.txt"]
    [refused] = unpacked(
        Listing((Streamed("a.zip", directory_says(data, ARCHIVE_BYTES_MAX + 1)),)), sandbox, 10**6
    ).items
    with pytest.raises(Refused) as caught:
        refused.open()
    assert caught.value.reason is Reason.ARCHIVE_BOMB


def test_archives_that_are_files_are_read_side_by_side(tmp_path: Path) -> None:
    """Each reader opens its own: none waits for another, which within one thread it would do for ever."""
    (tmp_path / "a.zip").write_bytes(archive({"a.txt": b"Text."}))

    class File(Streamed):
        def open(self) -> BinaryIO:
            return (tmp_path / self.path).open("rb")

    item, kept = File("a.zip", b""), FetchedArchives(BYTES_MAX)
    with kept.file(item) as first, kept.file(item) as second:
        assert first.read(2) == second.read(2) == b"PK"
