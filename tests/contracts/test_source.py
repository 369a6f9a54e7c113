"""What every source of documents promises, on each of them: real files, a real repository, real servers on loopback."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ingestion.sources.protocol import Labels, Listing, SourceItem
from rag.errors import Unavailable
from tests.contracts.file_places import folder_place, git_place, posix_place
from tests.contracts.mail_places import imap_place, mbox_place
from tests.contracts.remote_places import bucket_place, service_place
from tests.contracts.source_place import Place

PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "folder": folder_place,
    "posix": posix_place,
    "git": git_place,
    "s3": bucket_place,
    "http": service_place,
    "imap": imap_place,
    "mbox": mbox_place,
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as opened:
        opened.write("a.txt", "Alpha is here.")
        opened.write("sub/b.txt", "Beta is here.")
        yield opened


@pytest.fixture
def named_place(place: Place) -> Place:
    if not place.names:
        pytest.skip("a message has no name, and never changes")
    return place


def read(item: SourceItem) -> bytes:
    with item.open() as file:
        return file.read()


def texts(listing: Listing) -> dict[str, bytes]:
    return {item.path: read(item) for item in listing.items}


def one(listing: Listing, path: str) -> SourceItem:
    return next(item for item in listing.items if item.path == path)


def test_it_lists_what_is_there_in_order_with_labels_and_bytes(place: Place) -> None:
    listing = place.source.listing()
    found = texts(listing)
    assert listing.complete
    assert list(found) == sorted(found)
    assert set(found) == {place.path("a.txt"), place.path("sub/b.txt")}
    assert b"Alpha is here." in found[place.path("a.txt")]
    assert all(isinstance(item.labels, Labels) for item in listing.items)
    assert all(item.size == len(found[item.path]) for item in listing.items)
    assert len({item.identity for item in listing.items}) == 2


def test_what_did_not_change_keeps_identity_revision_and_labels(place: Place) -> None:
    first, second = place.source.listing().items, place.source.listing().items
    assert [(i.identity, i.revision, i.labels) for i in first] == [(i.identity, i.revision, i.labels) for i in second]
    assert all(item.revision for item in first)


def test_new_content_is_a_new_revision_of_the_same_document(named_place: Place) -> None:
    before = named_place.source.listing()
    named_place.write("a.txt", "Alpha was here.")
    after = named_place.source.listing()
    assert one(after, "a.txt").identity == one(before, "a.txt").identity
    assert one(after, "a.txt").revision != one(before, "a.txt").revision
    assert one(after, "sub/b.txt").revision == one(before, "sub/b.txt").revision
    assert b"was" in read(one(after, "a.txt"))


def test_content_that_changed_after_the_listing_is_not_given_out_under_its_labels(place: Place) -> None:
    listed = one(place.source.listing(), place.path("a.txt"))
    if not place.names:
        place.delete("a.txt")
    place.write("a.txt", "Something else entirely.")
    try:
        data = read(listed)
    except OSError:
        return
    assert b"Alpha is here." in data, "a source that keeps what it had may still give out that"


def test_a_renamed_document_is_listed_once_under_its_new_name(place: Place) -> None:
    before = one(place.source.listing(), place.path("a.txt"))
    if place.moves:
        place.rename("a.txt", "c.txt")
    after = place.source.listing()
    renamed = next(item for item in after.items if b"Alpha" in read(item))
    assert len(after.items) == 2
    assert (renamed.path != before.path) is place.moves
    assert (renamed.identity == before.identity) is (place.keeps_identity or not place.moves)


def test_a_deleted_document_is_gone_and_the_others_stay(place: Place) -> None:
    place.delete("a.txt")
    assert list(texts(place.source.listing())) == [place.path("sub/b.txt")]


def test_new_permissions_alone_are_new_labels_and_no_new_content(place: Place) -> None:
    path = place.path("a.txt")
    before = one(place.source.listing(), path)
    place.restrict(path)
    listing = place.source.listing()
    after = one(listing, path)
    assert isinstance(before.labels, Labels) and isinstance(after.labels, Labels)
    assert not place.restricted(before.labels)
    assert place.restricted(after.labels)
    assert (after.revision != before.revision) is place.rights_move_revision
    assert one(listing, place.path("sub/b.txt")).labels == before.labels


def test_a_listing_since_another_says_all_that_is_new_and_no_more(place: Place) -> None:
    """A source that cannot tell lists everything."""
    before = place.source.listing()
    gone = one(before, place.path("sub/b.txt")).identity
    place.write("c.txt", "Gamma is here.")
    place.delete("sub/b.txt")
    since = place.source.listing(before.cursor)
    paths = {item.path for item in since.items}
    if since.complete:
        assert paths == {place.path("a.txt"), place.path("c.txt")}
    else:
        assert before.cursor
        assert (paths, since.removed) == ({"c.txt"}, (gone,))
        place.restrict("a.txt")
        assert [item.path for item in place.source.listing(since.cursor).items] == ["a.txt"]


def test_a_place_that_cannot_be_read_is_refused_and_not_empty(place: Place) -> None:
    assert place.source.listing().items
    place.breaks()
    with pytest.raises(Unavailable) as refused:
        place.source.listing()
    assert (refused.value.code, refused.value.exit_code) == ("source_unreadable", 1)
    assert "nothing was changed. Check that" in refused.value.message
    assert place.source.place.shown.split(" ")[0].rstrip("/") in refused.value.message.replace("'", "")


def test_its_place_is_known_again_and_told_from_another_one_and_shows_neither_secret_nor_account(place: Place) -> None:
    own = place.source.place
    assert place.opened_again().place == own
    assert place.elsewhere().place != own
    assert own.shown
    assert not [secret for secret in (*place.secrets, own.account) if secret and secret in own.shown]
    assert own.account == "" or own.account not in repr(own)


def test_hostile_names_are_told_and_do_not_hide_the_others(named_place: Place) -> None:
    hostile = named_place.write_hostile()
    listing = named_place.source.listing()
    assert [item.path for item in listing.items] == ["a.txt", "sub/b.txt"]
    assert {one.path for one in listing.skipped} == hostile
