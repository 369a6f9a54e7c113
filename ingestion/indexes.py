"""What is ingested reaches every index of a tenant: the live one, and the one that is built beside it.

Each index is a run of its own over the source, with its own embedder and chunk size; labels and removals, which the
first run settles, are found settled by the next.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ingestion.parts import IngestionParts
from ingestion.report import Change, Outcome, Report
from ingestion.store import another_embedder
from rag.db.index_changes import IndexChanges
from rag.db.index_versions import IndexVersion, IndexVersions
from rag.embedding.protocol import Embedder

RunOn = Callable[[IngestionParts], Awaitable[Report]]
_TOLD = frozenset({Change.FAILED, Change.QUARANTINED, Change.WAITING})
"""What became of a document in the other index is told where it is one of these, and the live one has no news."""


async def indexes_of(parts: IngestionParts, tenant: str) -> list[IngestionParts]:
    """The parts with which each index of the tenant is written, the live one first.

    Raises:
        Conflict: the settings name another embedder than the one that made an index (`embedder_mismatch`).
        Damaged, Misuse, IndexUnavailable: the embedder that an index names cannot be loaded.
    """
    async with parts.database.reading() as session:
        standing = await IndexVersions(session, tenant).standing()
    return [await parts_for(index, parts, tenant) for index in standing]


async def parts_for(index: IndexVersion, parts: IngestionParts, tenant: str) -> IngestionParts:
    """The parts with which one index is written. Raises as `indexes_of`."""
    settings = parts.settings
    if index.chunk_tokens is not None:
        settings = settings.model_copy(update={"chunk_tokens": index.chunk_tokens})
    return replace(parts, index=index, embedder=await _embedder_of(index, parts, tenant), settings=settings)


async def in_each(parts: IngestionParts, tenant: str, run: RunOn, *, dry_run: bool = False) -> Report:
    """What `run` reports of the live index, with what is to be told of the other one. A dry run looks at the live one.

    Raises as `indexes_of`, and what `run` raises.
    """
    if not dry_run:
        await _settle(parts, tenant)
    live, *beside = await indexes_of(parts, tenant)
    report = await run(live)
    if live.embedder.digest != parts.embedder.digest:
        own = f"index {live.index.number} names its embedder itself, {live.embedder.name}: the settings name another"
        report = replace(report, notices=(*report.notices, own))
    return await and_beside(report, run, [] if dry_run else beside)


async def and_beside(live: Report, run: RunOn, beside: Sequence[IngestionParts]) -> Report:
    """The live index's report, with what is to be told of the other one, on which `run` runs now."""
    report = live
    for other in beside:
        report = merged(report, await run(other), other.index.number)
    return report


def merged(live: Report, other: Report, number: int) -> Report:
    """The report of the live index, with what is to be told of index `number`."""
    told = {outcome.path: outcome for outcome in other.outcomes if outcome.change in _TOLD}
    outcomes = tuple(_of_both(outcome, told.get(outcome.path)) for outcome in live.outcomes)
    listed = {outcome.path for outcome in live.outcomes}
    # A listing of what is new names fewer documents than the other index may lack.
    more = tuple(outcome for path, outcome in told.items() if path not in listed)
    written = sum(outcome.change in (Change.NEW, Change.CHANGED) for outcome in other.outcomes)
    notice = f"index {number}, beside the live one: {written} documents written"
    return replace(
        live,
        outcomes=(*outcomes, *more),
        notices=(*live.notices, notice),
        seconds=live.seconds + other.seconds,
    )


def _of_both(live: Outcome, other: Outcome | None) -> Outcome:
    return live if other is None or live.change is not Change.UNCHANGED else other


async def _embedder_of(index: IndexVersion, parts: IngestionParts, tenant: str) -> Embedder:
    if index.embedder_digest in ("", parts.embedder.digest):
        return parts.embedder
    if index.embedding is None:
        raise another_embedder(tenant, index.number, index.embedder, parts.embedder.name)
    return await parts.others.get(index.embedding, index.embedder_digest)


async def _settle(parts: IngestionParts, tenant: str) -> None:
    async with parts.database.reading() as session:
        if (await IndexVersions(session, tenant).live()).embedder_digest:
            return
    embedder = parts.embedder
    async with parts.database.unit_of_work() as session:
        await IndexChanges(session, tenant).settle(embedder.name, embedder.digest, embedder.dim)
