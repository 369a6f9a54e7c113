"""How far a source has been read: where the next listing of one that can tell what is new may begin.

A listing whose documents were handed out in parts has been read once all of them ended well, and the last of them
says so in the transaction that ends it. Until then the next listing begins where this one did.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.leases import Lease, listed_again
from rag.db.job_table import JobRow, JobState
from rag.db.tables import SourceCursorRow
from rag.domain import digest_of

NEXT = "next"
"""In the payload of a part: the cursor of the listing that it is a part of."""
MADE_OTHERWISE = "made_otherwise"
"""In the result of a part whose documents were made by another pipeline than the one that listed them."""
_UNFINISHED = frozenset({"failed", "waiting"})


@dataclass(frozen=True, slots=True)
class Cursor:
    """`made_by` is the digest of the pipeline that stood when the source was listed: another one reads all again.

    `since` is the mark of the one that was kept when it was listed.
    """

    cursor: str
    made_by: str
    since: str

    def as_payload(self) -> dict[str, Any]:
        return {NEXT: asdict(self)} if self.cursor else {}


def cursor_of(lease: Lease) -> Cursor | None:
    """The cursor that is kept when all parts of its listing ended well, if this is a part of such a listing."""
    following = lease.payload.get(NEXT)
    if following is None:
        return None
    return Cursor(str(following["cursor"]), str(following["made_by"]), str(following.get("since", "")))


def mark_of(row: SourceCursorRow | None) -> str:
    """By what a kept cursor is told from another one; empty: none is kept."""
    return "" if row is None else digest_of([row.cursor, row.made_by]).hex()


async def kept(session: AsyncSession, tenant: str, source: str) -> SourceCursorRow | None:
    return await session.get(SourceCursorRow, (tenant, source))


async def keep(session: AsyncSession, tenant: str, source: str, cursor: Cursor) -> None:
    """Keep it, unless another one was kept, or all was to be listed again, since the source was listed."""
    if cursor.cursor and mark_of(await kept(session, tenant, source)) == cursor.since:
        row = SourceCursorRow(tenant=tenant, source=source, cursor=cursor.cursor, made_by=cursor.made_by)
        await session.merge(row)
        await session.flush()


async def list_all_again(session: AsyncSession, tenant: str, source: str) -> None:
    """The next listing begins at the beginning, and none that is going on now says where another one may."""
    await session.merge(SourceCursorRow(tenant=tenant, source=source, cursor="", made_by=token_hex(16)))
    await session.flush()


def whole_of(lease: Lease) -> Select[int]:
    """The job that this one is a part of, locked: parts that end at the same time see each other's end."""
    return select(JobRow.number).where(JobRow.id == lease.parent).with_for_update()


async def advance(session: AsyncSession, lease: Lease, cursor: Cursor) -> None:
    """Keep the cursor if all parts of its listing ended well and no later listing has begun.

    The job of `lease` has ended in this transaction, and `whole_of` was locked before.
    """
    parts = JobRow.parent == lease.parent
    missing = select(JobRow.number).where(parts, JobRow.state != JobState.DONE).limit(1)
    for reason in (missing, listed_again(lease)):
        if await session.scalar(reason) is not None:
            return
    results = await session.scalars(select(JobRow.result).where(parts))
    if all(_ended_well(result) for result in results):
        await keep(session, lease.tenant, lease.source, cursor)


def _ended_well(result: Mapping[str, Any]) -> bool:
    return not ({"superseded", MADE_OTHERWISE} & result.keys() or _UNFINISHED & result.get("documents", {}).keys())
