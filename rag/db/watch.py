"""What was watched: shares of windows of time, as counts. No text, no id, no embedding."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Enum, String, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base, UtcDateTime

Shares = dict[str, list[int]]
"""By name: how many, of how many."""


class Series(StrEnum):
    """What is watched: everybody's questions, those that the watch asks itself, and what is ingested."""

    TRAFFIC = "traffic"
    ASKED = "asked"
    DOCUMENTS = "documents"


_SERIES = Enum(Series, native_enum=False, length=16, values_callable=lambda some: [one.value for one in some])


class WatchRow(Base):
    """One window of one series. `until` is exclusive."""

    __tablename__ = "watch_window"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    series: Mapped[Series] = mapped_column(_SERIES, primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, doc="Length of the window.")
    until: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    space: Mapped[str] = mapped_column(String(128), doc="Digest of the embedder: sides of planes differ with it.")
    shares: Mapped[Shares] = mapped_column(JSON)
    alarms: Mapped[list[str]] = mapped_column(JSON, doc="Names of the shares that had drifted.")


class Watched:
    """The windows of one tenant, of one length. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str, seconds: int) -> None:
        self._session = session
        self._tenant = tenant
        self._seconds = seconds
        self._mine = WatchRow.tenant == tenant, WatchRow.seconds == seconds

    async def newest(self, series: Series, limit: int) -> list[WatchRow]:
        """At most `limit` windows, oldest first."""
        statement = select(WatchRow).where(*self._mine, WatchRow.series == series)
        rows = await self._session.scalars(statement.order_by(WatchRow.until.desc()).limit(limit))
        return list(rows)[::-1]

    async def put(self, series: Series, until: datetime, space: str, shares: Shares) -> WatchRow:
        """Store a window; of one that is there, the shares are replaced."""
        row = await self._session.get(WatchRow, (self._tenant, series, self._seconds, until))
        if row is None:
            key = {"tenant": self._tenant, "series": series, "seconds": self._seconds, "until": until}
            row = WatchRow(**key, space=space, shares=shares, alarms=[])
            self._session.add(row)
        row.space, row.shares = space, shares
        await self._session.flush()
        return row

    async def forget_older(self, moment: datetime) -> None:
        await self._session.execute(delete(WatchRow).where(*self._mine, WatchRow.until < moment))


async def alarms_now(session: AsyncSession, since: datetime) -> dict[Series, int]:
    """By series, the shares in alarm in the newest window, of the tenant with most; older windows are not looked at."""
    last = (
        select(WatchRow.tenant, WatchRow.series, func.max(WatchRow.until).label("until"))
        .where(WatchRow.until >= since)
        .group_by(WatchRow.tenant, WatchRow.series)
        .subquery()
    )
    newest = select(WatchRow.series, WatchRow.alarms).join(
        last,
        (last.c.tenant == WatchRow.tenant) & (last.c.series == WatchRow.series) & (last.c.until == WatchRow.until),
    )
    found = dict.fromkeys(Series, 0)
    for series, alarms in await session.execute(newest):
        found[series] = max(found[series], len(alarms))
    return found
