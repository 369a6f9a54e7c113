"""Archives of sources that change: what becomes of their members, and who is taken for whom.

The service is that of deploy/source-protocol.md on loopback, the store speaks S3.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from evals.hostile.samples import archive
from ingestion.archives import unpacked
from ingestion.digests import identity_digest
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.http_service import HttpSource, Service
from ingestion.sources.identities import Identities
from ingestion.sources.labels import LabelFile
from ingestion.sources.protocol import Labels, Listing, Source, Unlabelled
from policies.rules import Level
from rag.db.lineage import KeptOut
from rag.db.tables import DocumentRow
from tests.contracts.document_service import TOKEN, Documents, application, served
from tests.contracts.remote_places import BucketPlace, bucket_place
from tests.ingestion.outcomes import changes
from tests.ingestion.worlds import TENANT, make_visible

IDENTITIES = Identities(users={"u-1": "user:ann"}, groups={"g-1": "group:staff"})
ANN_ALONE = [{"kind": "user", "id": "u-1"}]
TWO = archive({"pay.txt": "Pay is 4.", "in/hall.txt": "Hall 3."})


@pytest.fixture
def documents() -> Documents:
    """A plain document, and an archive of two."""
    held = Documents()
    held.write("a.txt", "Alpha is here.")
    held.write("c.zip", "")
    held.change("c.zip", content=TWO)
    return held


@pytest.fixture
def source(documents: Documents) -> Iterator[HttpSource]:
    with served(application(documents)) as url:
        yield HttpSource("docs", Service(url, TOKEN), LabelFile(department="hr", level="internal"), IDENTITIES)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[BucketPlace]:
    with bucket_place(tmp_path) as place:
        assert isinstance(place, BucketPlace)
        yield place


async def run(source: Source, parts: IngestionParts) -> Report:
    report = await ingest(source, TENANT, parts)
    await make_visible(parts.database, TENANT)
    return report


async def rows(parts: IngestionParts) -> dict[str, DocumentRow]:
    async with parts.database.reading() as session:
        return {row.path: row for row in await session.scalars(select(DocumentRow))}


def rewrite(documents: Documents, content: bytes, **to: object) -> None:
    documents.write("c.zip", "")
    documents.change("c.zip", content=content, **to)


MEMBERS = {"c.zip/pay.txt", "c.zip/in/hall.txt"}


@pytest.mark.parametrize("name", ["c.txt", ".c.zip"])
async def test_what_is_no_archive_any_more_under_its_id_leaves_no_member_behind(
    documents: Documents, source: HttpSource, parts: IngestionParts, name: str
) -> None:
    """The service lists only what is new, which says nothing of members."""
    await run(source, parts)
    assert set(await rows(parts)) == {"a.txt", *MEMBERS}
    rewrite(documents, b"Only the public part.", path=name)
    await run(source, parts)
    assert set(await rows(parts)) == {"a.txt"} | ({name} if name == "c.txt" else set())


async def test_members_of_a_run_whose_cursor_was_not_kept_are_not_left_behind(
    documents: Documents, source: HttpSource, parts: IngestionParts
) -> None:
    """The next listing begins before there was an archive."""
    rewrite(documents, b"A text.", path="c.txt")
    await run(source, parts)
    documents.write("c.txt", "")
    documents.change("c.txt", content=TWO, path="c.zip")
    documents.write("d.txt", "Delta")
    documents.unfetchable.add("d.txt")
    assert changes(await run(source, parts))["d.txt"] is Change.FAILED
    assert set(await rows(parts)) > MEMBERS
    rewrite(documents, b"A text again.", path="c.txt")
    documents.unfetchable.clear()
    await run(source, parts)
    assert not MEMBERS & set(await rows(parts))


async def test_what_was_never_an_archive_is_still_listed_by_news_alone(
    documents: Documents, source: HttpSource, parts: IngestionParts
) -> None:
    await run(source, parts)
    documents.change("a.txt", path="b.txt", readers=ANN_ALONE)
    assert set(changes(await run(source, parts))) == {"b.txt"}
    documents.change("b.txt", removed=True)
    assert set((await run(source, parts)).counts.values()) == {0, 1}


async def test_an_archive_that_cannot_be_fetched_for_now_keeps_its_members_as_a_document_keeps_its_version(
    documents: Documents, source: HttpSource, parts: IngestionParts
) -> None:
    await run(source, parts)
    before = {path: row.current_version for path, row in (await rows(parts)).items()}
    rewrite(documents, archive({"pay.txt": "Pay is 5."}))
    documents.write("a.txt", "Alpha was here.")
    documents.unfetchable |= {"c.zip", "a.txt"}
    report = await run(source, parts)
    assert {one.path: one.previous_stays for one in report.failures} == {"a.txt": True, "c.zip": False} | dict.fromkeys(
        MEMBERS, True
    )
    assert {path: row.current_version for path, row in (await rows(parts)).items()} == before
    documents.unfetchable.clear()
    await run(source, parts)
    assert set(await rows(parts)) == {"a.txt", "c.zip/pay.txt"}


async def test_a_plain_failure_to_read_a_store_keeps_members_too(
    bucket: BucketPlace, parts: IngestionParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.client.put_object(Bucket=bucket.bucket, Key="docs/x/c.zip", Body=TWO)
    assert len((await run(bucket.source, parts)).outcomes) == 2

    def down(**_: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(bucket.source._client, "get_object", down)  # type: ignore[attr-defined] # of an S3Source
        assert (await run(bucket.source, parts)).counts[Change.REMOVED] == 0
    assert set(await rows(parts)) == {"x/c.zip/pay.txt", "x/c.zip/in/hall.txt"}
    assert (await run(bucket.source, parts)).counts[Change.UNCHANGED] == 2


async def test_members_do_not_stay_under_rights_that_their_archive_has_lost_meanwhile(
    documents: Documents, source: HttpSource, parts: IngestionParts
) -> None:
    await run(source, parts)
    documents.change("c.zip", readers=ANN_ALONE)
    documents.unfetchable.add("c.zip")
    assert not any(one.previous_stays for one in (await run(source, parts)).failures)
    assert set(await rows(parts)) == {"a.txt"}


async def test_a_new_pattern_reaches_members_of_an_archive_that_cannot_be_read(
    documents: Documents, source: HttpSource, parts: IngestionParts
) -> None:
    await run(source, parts)
    documents.unfetchable.add("c.zip")
    labels = LabelFile.model_validate({**LABELLED, "files": {"pay*": {"level": "secret"}}})
    await run(HttpSource("docs", source._service, labels, IDENTITIES), parts)
    assert set(await rows(parts)) == {"a.txt", "c.zip/in/hall.txt"}


LABELLED = {"department": "hr", "level": "internal"}


@pytest.mark.parametrize("content", [b"PK\x03\x04 no more", b"A text", archive({"ringfence.yaml": "level: 0"})])
async def test_an_archive_that_is_none_any_more_takes_its_members_along(
    documents: Documents, source: HttpSource, parts: IngestionParts, content: bytes
) -> None:
    await run(source, parts)
    rewrite(documents, content)
    assert (await run(source, parts)).counts[Change.REMOVED] == 2
    assert set(await rows(parts)) == {"a.txt"}


async def test_a_member_and_an_object_under_the_same_path_are_two_documents(
    bucket: BucketPlace, parts: IngestionParts
) -> None:
    put = {"Bucket": bucket.bucket, "Tagging": "ringfence-level=secret"}
    bucket.client.put_object(Key="docs/e.zip", Body=archive({"pay.txt": "Pay is 4."}), **put)
    bucket.write("e.zip/pay.txt", "Lunch is at noon.")
    assert [one.change for one in (await run(bucket.source, parts)).outcomes] == [Change.NEW, Change.NEW]
    for _ in range(2):
        assert (await run(bucket.source, parts)).counts[Change.UNCHANGED] == 2
    async with parts.database.reading() as session:
        levels = sorted(await session.scalars(select(DocumentRow.level)))
    assert levels == [Level.INTERNAL, Level.SECRET]


async def test_a_member_that_was_kept_out_by_its_path_stays_out(
    source: HttpSource, documents: Documents, parts: IngestionParts
) -> None:
    """As members were known before they had identities of their own."""
    [identity] = (identity for identity, one in documents.held.items() if one.path == "c.zip")
    async with parts.database.unit_of_work() as session:
        privacy = await parts.privacy.for_tenant(session, TENANT)
        digest = identity_digest(privacy, "docs", f"{identity}/pay.txt")
        await KeptOut(session, TENANT).add("docs", digest, "doc_1", "operator", datetime.now(UTC))
    await run(source, parts)
    assert set(await rows(parts)) == {"a.txt", "c.zip/in/hall.txt"}


def test_items_that_say_they_are_the_same_document_are_kept_out_and_the_others_are_not(
    bucket: BucketPlace, sandbox: Sandbox
) -> None:
    bucket.write("a.txt", "one")
    bucket.write("b.txt", "another")
    one, other = bucket.source.listing().items
    first, second, third = unpacked(Listing((one, one, other)), sandbox, 1000).items
    for doubled in (first, second):
        assert isinstance(doubled.labels, Unlabelled) and "more than one" in doubled.labels.why
    assert isinstance(third.labels, Labels)
