"""What people and assistants used of their day: shared by all processes, and still there after a restart.

Numbers and ids of chunks, never text. A day is a date in UTC; older ones are forgotten.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import BigInteger, Date, String, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base
from rag.db.statements import insert_if_absent, insert_or_add, table_of


class UsageRow(Base):
    """Tokens that one person or assistant used in one day."""

    __tablename__ = "daily_usage"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    subject: Mapped[str] = mapped_column(String(160), primary_key=True, doc="user:... or assistant:...")
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)


class UsedChunkRow(Base):
    """A restricted chunk that was given out to one person or assistant in one day."""

    __tablename__ = "daily_usage_chunk"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    subject: Mapped[str] = mapped_column(String(160), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    chunk: Mapped[str] = mapped_column(String(64), primary_key=True)


@dataclass(frozen=True, slots=True)
class Used:
    """Totals of one day."""

    tokens: int
    chunks: int


class Usage:
    """The usage of one subject in one day. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str, subject: str, day: date) -> None:
        self._session = session
        self._day = day
        self._key = {"tenant": tenant, "subject": subject, "day": day}

    async def add(self, tokens: int, chunks: Collection[str] = ()) -> Used:
        """Add tokens (less than nothing gives back) and chunks, each of which counts once; return the totals.

        The subject's row is locked until the transaction ends: of two processes, one sees what the other added.
        """
        upsert = insert_or_add(self._session, table_of(UsageRow), "tokens").values(**self._key, tokens=tokens)
        total = (await self._session.execute(upsert.returning(UsageRow.tokens))).scalar_one()
        if chunks:
            rows = [self._key | {"chunk": chunk} for chunk in sorted(set(chunks))]
            await self._session.execute(insert_if_absent(self._session, table_of(UsedChunkRow)).values(rows))
        count = select(func.count()).select_from(UsedChunkRow).filter_by(**self._key)
        return Used(total, (await self._session.scalars(count)).one())

    async def forget_older(self) -> None:
        """Remove what the subject used before yesterday, which a process with a slow clock may still count in."""
        yesterday = self._day - timedelta(days=1)
        for row in (UsageRow, UsedChunkRow):
            of_subject = (row.tenant == self._key["tenant"]) & (row.subject == self._key["subject"])
            await self._session.execute(delete(row).where(of_subject, row.day < yesterday))
