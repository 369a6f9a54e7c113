"""Two documents in two indexes: what a switch between them needs, and nothing else."""

from datetime import UTC, datetime

from sqlalchemy import select

from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import IndexState
from rag.db.index_versions import IndexVersion
from rag.db.tables import ChunkRow, DocumentRow, VersionRow

TENANT = "acme"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(name: str, current: str | None) -> DocumentRow:
    return DocumentRow(
        id=name, tenant=TENANT, source="docs", path_digest=name, path=name, title=f"About {name}",
        media_type="text/plain", department="staff", level=1, tags=[], owner="", shares=[], denied_shares=[],
        compartments=[], attribute_version=3, indexed_attribute_version=3, current_version=current, flags=[],
        updated_at=NOW,
    )  # fmt: skip


def version(name: str, number: int, state: str, *, carried: int = 2) -> VersionRow:
    return VersionRow(
        id=f"{name}-{number}", document=name, tenant=TENANT, content_digest="c", pipeline_digest="p", state=state,
        index_version=number, indexed_attribute_version=carried, text="text", policy_epoch=1, created_at=NOW,
    )  # fmt: skip


def chunk(name: str, number: int) -> ChunkRow:
    return ChunkRow(
        id=f"{name}-{number}-chunk", version=f"{name}-{number}", document=name, tenant=TENANT, ordinal=0, start=0,
        end=4, page=None, heading="", more_compartments=[], more_denied_shares=[], dense=b"", lexical_indices=b"",
        lexical_values=b"",
    )  # fmt: skip


async def two_indexes(database: Database, *, beside: IndexState = IndexState.READY) -> None:
    """Index 1 is live, index 2 holds both documents as well."""
    async with database.unit_of_work() as session:
        for name in ("a", "b"):
            session.add(document(name, f"{name}-1"))
            await session.flush()
            session.add_all([version(name, 1, "published"), version(name, 2, "ready")])
            await session.flush()
            session.add_all([chunk(name, 1), chunk(name, 2)])
        await session.flush()
        indexes = IndexChanges(session, TENANT)
        await indexes.record_first("old", "old-digest", 8)
        await indexes.add(IndexVersion(2, beside, "new", "new-digest", 4, {"model": "new"}, 100))


async def shown(database: Database) -> dict[str, tuple[str | None, int]]:
    """By document, the version that readers see, and which attributes its points carry."""
    async with database.reading() as session:
        columns = DocumentRow.id, DocumentRow.current_version, DocumentRow.indexed_attribute_version
        return {name: (current, carried) for name, current, carried in await session.execute(select(*columns))}


async def states(database: Database) -> dict[str, str]:
    async with database.reading() as session:
        return dict((await session.execute(select(VersionRow.id, VersionRow.state))).all())
