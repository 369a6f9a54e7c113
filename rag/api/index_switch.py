"""Making another index the live one, or going back: in one transaction, after everything that speaks against it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import BESIDE, IndexState, IndexVersionRow
from rag.db.index_versions import IndexVersions
from rag.embedding.protocol import Embedder
from rag.errors import Conflict, NotFound
from rag.index.publish import publishing_of
from rag.query.index_content import lacking, refuse_changed

MARGIN = 0.02
"""How much worse than the live index another may be, in hits among the first five and in mean reciprocal rank: one
document in fifty is within what a sample of a hundred questions can tell."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A switch as it is asked for.

    `forced`: whatever the comparison says. `allowed`: documents that may be missing; None: any. `back`: it is a return,
    which needs no comparison.
    """

    number: int
    author: str
    forced: bool = False
    allowed: Collection[str] | None = ()
    back: bool = False


async def switch(database: Database, tenant: str, wanted: Wanted, embedder: Embedder) -> dict[str, Any]:
    """Make the index the live one, and record it. The next question is answered by it, in every process.

    `embedder` is what the index names, loaded: a switch to one that cannot be loaded would answer nothing.

    Raises:
        NotFound: there is no such index beside the live one.
        Conflict: another embedder made it; documents are missing in it; it was not compared, has changed
            since, or is worse.
    """
    # Nobody may be publishing to either index meanwhile: what it took for the live one would no longer be.
    async with database.alone(publishing_of(tenant)), database.unit_of_work() as session:
        indexes = IndexChanges(session, tenant)
        row = await beside_row(session, tenant, wanted.number)
        live = await indexes.live()
        _refuse_other(row, embedder)
        missing = await lacking(indexes, wanted.number, wanted.allowed)
        if not wanted.forced and not wanted.back:
            refuse_worse(row.figures, wanted.number, live.number)
            await refuse_changed(row.figures, indexes, wanted.number)
        await indexes.switch(wanted.number)
        body: AuditBody = {
            "subject": wanted.author,
            "index": wanted.number,
            "before": live.number,
            "back": wanted.back,
            "forced": wanted.forced,
            "missing": missing,
        }
        await AuditLog().append(session, tenant, "index_switched", body)
    return {"live": wanted.number, "before": live.number, "missing": missing}


async def beside_row(session: AsyncSession, tenant: str, number: int) -> IndexVersionRow:
    """An index that stands beside the live one.

    Raises:
        NotFound: there is none of this number.
    """
    row = await IndexVersions(session, tenant).find(number)
    if row is None or row.state not in BESIDE:
        raise NotFound(
            f"No index {number} of tenant {tenant!r} stands beside the live one. `ringfence index list` shows all."
        )
    return row


async def retired_number(session: AsyncSession, tenant: str) -> int:
    """The index that was live before.

    Raises:
        NotFound: there is none that one can go back to.
    """
    beside = await IndexVersions(session, tenant).beside()
    if beside is None or beside.state is not IndexState.RETIRED:
        raise NotFound(f"Tenant {tenant!r} has no index to go back to: none was live before and still stands.")
    return beside.number


def refuse_worse(figures: Mapping[str, Any], number: int, live: int) -> None:
    """Return if a comparison with the live index was made, and the other is not worse by more than `MARGIN`.

    Raises:
        Conflict: it was not (`not_compared`), or it is (`worse_index`).
    """
    if figures.get("live") != live:
        raise Conflict(
            f"Index {number} was not compared with the live index {live}: `ringfence index compare` does; --force "
            "goes without.",
            code="not_compared",
        )
    for name in ("hit5_ratio", "mrr_ratio"):
        here, there = float(figures[name]), float(figures[f"live_{name}"])
        if here < there - MARGIN:
            raise Conflict(
                f"Index {number} is worse than the live index {live}: {name} {here:g} against {there:g}. --force "
                "makes it the live one all the same.",
                code="worse_index",
            )


def _refuse_other(row: IndexVersionRow, embedder: Embedder) -> None:
    if (row.embedder_digest, row.dim) not in (("", 0), (embedder.digest, embedder.dim)):
        raise Conflict(
            f"Index {row.number} was made by the embedder {row.embedder}, and what is loaded for it now is another one "
            f"({embedder.name}). Put its files back, or set RINGFENCE_EMBEDDING__MODEL back.",
            code="embedder_mismatch",
        )
