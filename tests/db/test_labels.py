"""The labels of a whole tenant: every document's, and those of its stricter visible paragraphs, each once."""

from datetime import UTC, datetime

from policies.rules import Attributes, Level
from rag.db.engine import Database
from rag.db.labels import labels_of, labels_of_document
from rag.db.tables import ChunkRow, DocumentRow, VersionRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(name: str, tenant: str = "acme", version: str | None = "v") -> list[object]:
    row = DocumentRow(
        id=name, tenant=tenant, source="s", path_digest=name, path="", title="", media_type="", department="hr",
        level=1, tags=["eu"], owner="user:ann", shares=["group:g"], denied_shares=[], compartments=[],
        current_version=version and f"{name}-{version}", flags=[], updated_at=NOW,
    )  # fmt: skip
    versions = [
        VersionRow(
            id=f"{name}-{which}", document=name, tenant=tenant, content_digest="", pipeline_digest="", state=state,
            text="", policy_epoch=1, created_at=NOW,
        )
        for which, state in (("v", "published"), ("old", "retired"))
    ]  # fmt: skip
    return [row, *versions]


def chunk(name: str, number: int, *, version: str = "v", tenant: str = "acme", **labels: object) -> ChunkRow:
    stricter = {"more_compartments": [], "more_denied_shares": [], **labels}
    return ChunkRow(
        id=f"{name}-{version}-{number}", version=f"{name}-{version}", document=name, tenant=tenant, ordinal=number,
        start=0, end=0, heading="", dense=b"", lexical_indices=b"", lexical_values=b"", **stricter,
    )  # fmt: skip


async def test_documents_and_their_stricter_visible_paragraphs_are_listed_once(database: Database) -> None:
    async with database.unit_of_work() as session:
        for name, tenant in (("d1", "acme"), ("d2", "acme"), ("abroad", "other")):
            rows = document(name, tenant)
            session.add(rows[0])
            await session.flush()
            session.add_all(rows[1:])
            await session.flush()
        session.add_all(
            [
                chunk("d1", 0),
                chunk("d1", 1, level_at_least=3),
                chunk("d1", 2, level_at_least=3),
                chunk("d1", 3, more_compartments=["compartment:x"]),
                chunk("d1", 4, version="old", level_at_least=4),
                chunk("d2", 0, level_at_least=1),
                chunk("abroad", 0, tenant="other", level_at_least=4),
            ]
        )
    async with database.reading() as session:
        everything = await labels_of(session, "acme")
        one = await labels_of_document(session, "acme", "d1")
        nothing = [await labels_of_document(session, "acme", "abroad"), await labels_of(session, "nobody")]
    whole = Attributes("acme", "d1", "hr", Level.INTERNAL, frozenset({"eu"}), "user:ann", frozenset({"group:g"}))
    assert one[0] == whole
    assert {(found.level, found.compartments) for found in one[1:]} == {
        (Level.RESTRICTED, frozenset()),
        (Level.INTERNAL, frozenset({"compartment:x"})),
    }
    assert len(everything) == 4
    assert {found.document for found in everything} == {"d1", "d2"}
    assert nothing == [[], []]
