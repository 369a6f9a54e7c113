"""Sources that are asked over a network: what they may not make us do, and what an S3 store says about rights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from ingestion.sources import http_service
from ingestion.sources.http_service import HttpSource, Service
from ingestion.sources.identities import Identities
from ingestion.sources.labels import LabelFile
from ingestion.sources.protocol import Labels, SourceItem, Unlabelled
from ingestion.sources.s3 import S3Source
from rag.errors import Unavailable
from tests.contracts.document_service import TOKEN, Documents, application, served
from tests.contracts.remote_places import STORE_OWNER, BucketPlace, bucket_place
from tests.contracts.source_place import ANN, BO
from tests.ports import free_port

LABELS = LabelFile(department="hr", level="internal")
GOOD = {"id": "1", "path": "a.txt", "revision": "r", "size": 1}
RIGHTS = {"id": "1", "revision": "r"}


class Answers:
    """A service that answers what it is told to, and remembers who asked."""

    def __init__(self) -> None:
        self.documents: Any = {"documents": [GOOD]}
        self.permissions: Any = {"permissions": [RIGHTS]}
        self.asked: list[str] = []
        self.redirect = ""


@pytest.fixture(scope="module")
def answers() -> Iterator[tuple[str, Answers]]:
    said, app = Answers(), FastAPI()

    @app.get("/{path:path}")
    def answer(request: Request, path: str) -> Any:
        said.asked.append(f"{path} {request.headers.get('authorization')}")
        if path.endswith("content"):
            return Response(b"x", headers={"ETag": '"r"'})
        if said.redirect and path == "documents":
            return RedirectResponse(said.redirect)
        found = said.documents if path == "documents" else said.permissions
        return found if not isinstance(found, bytes) else Response(found, headers={"Content-Encoding": "gzip"})

    with served(app) as url:
        yield url, said


@pytest.fixture
def source(answers: tuple[str, Answers]) -> HttpSource:
    answers[1].__init__()  # type: ignore[misc] # as new, under the address it is served at
    return HttpSource("docs", Service(answers[0], TOKEN), LABELS, Identities())


def test_the_plain_answers_are_taken(source: HttpSource, answers: tuple[str, Answers]) -> None:
    [item] = source.listing().items
    with item.open() as file:
        assert file.read() == b"x"
    assert {line.split(" ", 1)[1] for line in answers[1].asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "documents",
    [
        {},
        [],
        {"documents": [{**GOOD, "size": -1}]},
        {"documents": [{"id": "1"}]},
        {"documents": [{**GOOD, "id": ""}]},
        {"documents": [{**GOOD, "id": ".."}]},
        {"documents": [{**GOOD, "id": "a.zip\0b.txt"}]},
        {"documents": [{**GOOD, "revision": 'a"b'}]},
        {"documents": [GOOD, GOOD]},
        {"documents": [GOOD], "next": "again"},
        b"not gzip",
    ],
)
def test_an_answer_of_another_shape_changes_nothing(
    source: HttpSource, answers: tuple[str, Answers], documents: Any
) -> None:
    answers[1].documents = documents
    with pytest.raises(Unavailable) as refused:
        source.listing()
    assert refused.value.code == "source_unreadable"
    assert TOKEN not in refused.value.message


def test_a_service_that_cannot_be_reached_is_named_with_its_address_and_what_to_check() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable) as refused:
        HttpSource("wiki", Service(url, TOKEN), LABELS, Identities()).listing()
    assert (refused.value.code, refused.value.exit_code) == ("source_unreadable", 1)
    assert f"'wiki' at {url}" in refused.value.message and "(ConnectError)" in refused.value.message
    assert "Check that it runs, can be reached from here, and takes the token." in refused.value.message
    assert TOKEN not in refused.value.message


def test_the_token_follows_no_redirect(source: HttpSource, answers: tuple[str, Answers]) -> None:
    answers[1].redirect = f"{answers[0]}/elsewhere"
    with pytest.raises(Unavailable, match="307"):
        source.listing()
    assert len(answers[1].asked) == 1


def test_an_answer_without_end_is_cut_off(
    source: HttpSource, answers: tuple[str, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source.listing().items
    monkeypatch.setattr(http_service, "PAGE_BYTES_MAX", 1000)
    answers[1].documents = {"documents": [GOOD], "more": "x" * 2000}
    with pytest.raises(Unavailable, match="larger"):
        source.listing()


def test_more_bytes_than_were_listed_are_not_read(source: HttpSource, answers: tuple[str, Answers]) -> None:
    answers[1].documents = {"documents": [{**GOOD, "size": 0}]}
    [item] = source.listing().items
    with pytest.raises(OSError, match="larger"):
        item.open()


def test_a_document_of_another_service_is_of_another_revision_under_the_same_words(source: HttpSource) -> None:
    """Its numbers count other changes; and its cursors begin elsewhere."""
    [before], [again] = source.listing().items, source.listing().items
    assert before.revision == again.revision
    documents = Documents()
    documents.write("a.txt", "x")
    with served(application(documents)) as url:
        first = HttpSource("docs", Service(url, TOKEN), LABELS, Identities())
        [here] = first.listing().items
        since = first.listing().cursor
        assert not first.listing(since).items
        with served(application(documents)) as elsewhere:
            moved = HttpSource("docs", Service(elsewhere, TOKEN), LABELS, Identities()).listing(since)
    assert moved.complete
    assert [one.revision != here.revision for one in moved.items] == [True]


@pytest.mark.parametrize("rights", [{**RIGHTS, "revision": "older"}, {**RIGHTS, "id": "2"}])
def test_rights_of_another_revision_are_asked_for_again_and_never_taken(
    source: HttpSource, answers: tuple[str, Answers], rights: dict[str, str]
) -> None:
    answers[1].permissions = {"permissions": [rights]}
    with pytest.raises(Unavailable) as refused:
        source.listing()
    assert refused.value.code == "source_changing"
    assert len(answers[1].asked) == 2 * http_service.TRIES


@pytest.mark.parametrize(("listed", "taken"), [([GOOD], True), ([], False)])
def test_new_rights_of_a_document_that_was_not_listed_are_not_passed_over(
    source: HttpSource, answers: tuple[str, Answers], listed: list[dict[str, Any]], taken: bool
) -> None:
    since = source.listing().cursor
    answers[1].documents = {"documents": listed, "complete": False, "cursor": "c2"}
    if taken:
        assert len(source.listing(since).items) == 1
        return
    with pytest.raises(Unavailable) as refused:
        source.listing(since)
    assert refused.value.code == "source_changing"


def test_a_change_between_the_two_lists_is_listed_whole() -> None:
    documents = Documents()
    documents.write("a.txt", "Alpha")

    def once() -> None:
        documents.before_permissions = None
        documents.write("a.txt", "Alpha, secret now")
        documents.change("a.txt", readers=[])

    documents.before_permissions = once
    identities = Identities(users={"u-1": ANN}, groups={"g-1": "group:staff"})
    with served(application(documents)) as url:
        [item] = HttpSource("docs", Service(url, TOKEN), LABELS, identities).listing().items
    assert isinstance(item.labels, Labels)
    assert (item.size, item.labels.shares) == (len("Alpha, secret now"), frozenset())


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketPlace]:
    with bucket_place(tmp_path_factory.mktemp("unused")) as place:
        assert isinstance(place, BucketPlace)
        yield place


def labels_in(bucket: BucketPlace, path: str) -> Labels | Unlabelled:
    return next(item.labels for item in bucket.source.listing().items if item.path == path)


def grant(bucket: BucketPlace, path: str, **grants: str) -> None:
    """Give rights to others beside the owner's; the server keeps one grantee of each right."""
    key = {"Bucket": bucket.bucket, "Key": f"docs/{path}"}
    bucket.client.put_object_acl(**key, GrantFullControl=f"id={STORE_OWNER}", **grants)


def test_the_empty_object_of_a_folder_is_no_document_and_one_with_bytes_is_left_out_for_its_name(
    bucket: BucketPlace,
) -> None:
    for key, text in (("docs/", ""), ("docs/made/", ""), ("docs/odd/", "x")):
        bucket.write_key(key, text)
    found = {one.path: one.reason for one in bucket.source.listing().skipped}
    for key in ("docs/", "docs/made/", "docs/odd/"):
        bucket.client.delete_object(Bucket=bucket.bucket, Key=key)
    assert found == {"": "folder", "made/": "folder", "odd/": "unsafe_name"}


def test_an_object_of_another_bucket_is_of_another_revision(bucket: BucketPlace, tmp_path: Path) -> None:
    bucket.write("same.txt", "x")

    def revision(of: BucketPlace) -> str:
        return next(item.revision for item in of.source.listing().items if item.path == "same.txt")

    assert revision(bucket) == revision(bucket)
    with bucket_place(tmp_path) as other:
        assert isinstance(other, BucketPlace)
        other.write("same.txt", "x")
        assert revision(other) != revision(bucket)


ALL = "http://acs.amazonaws.com/groups/global/AllUsers"


def test_grants_to_read_an_object_are_shares_and_other_grants_are_not(bucket: BucketPlace) -> None:
    for path in ("read.txt", "acp.txt", "public.txt"):
        bucket.write(path, "x")
    grant(bucket, "read.txt", GrantRead=f"id={'b' * 64}")
    grant(bucket, "acp.txt", GrantReadACP=f"id={'b' * 64}")
    grant(bucket, "public.txt", GrantRead=f"uri={ALL}")
    found = {path: labels_in(bucket, path) for path in ("read.txt", "acp.txt", "public.txt")}
    shares = {path: (labels.owner, set(labels.shares)) for path, labels in found.items() if isinstance(labels, Labels)}
    assert shares == {"read.txt": (ANN, {BO}), "acp.txt": (ANN, set()), "public.txt": (ANN, set())}
    assert any(ALL in notice for notice in bucket.source.listing().notices), "everybody in the world is not mapped"


def test_rights_of_an_object_that_was_replaced_meanwhile_are_not_for_the_old_one(
    bucket: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.write("swapped.txt", "secret")
    assert isinstance(bucket.source, S3Source)
    client = bucket.source._client
    asked = client.get_object_acl

    def replaced_before(**key: str) -> Any:
        if key["Key"].endswith("swapped.txt"):
            bucket.write("swapped.txt", "for everybody")
        return asked(**key)

    def swapped() -> SourceItem:
        return next(item for item in bucket.source.listing().items if item.path == "swapped.txt")

    with monkeypatch.context() as patch:
        patch.setattr(client, "get_object_acl", replaced_before)
        item = swapped()
    assert item.revision == ""
    with pytest.raises(OSError, match="replaced"):
        item.open()
    with swapped().open() as file:
        assert file.read() == b"for everybody"


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ({"ringfence-level": "secret", "ringfence-tags": "region:eu x"}, True),
        ({"ringfence-level": "cosmic"}, False),
        ({"ringfence-levle": "secret"}, False),
        ({"Ringfence-Level": "secret"}, False),
    ],
)
def test_a_tag_that_cannot_be_used_labels_nothing(bucket: BucketPlace, tags: dict[str, str], taken: bool) -> None:
    bucket.write("t.txt", "x")
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    bucket.client.put_object_tagging(Bucket=bucket.bucket, Key="docs/t.txt", Tagging={"TagSet": tag_set})
    labels = labels_in(bucket, "t.txt")
    assert isinstance(labels, Labels if taken else Unlabelled)
    if isinstance(labels, Labels):
        assert (labels.level, labels.tags) == (4, {"region:eu", "x"})
