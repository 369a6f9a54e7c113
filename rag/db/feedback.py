"""What people said about answers, and the evaluation cases that came of it. Texts are masked: the reading face only."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Enum, String, Text, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base, UtcDateTime
from rag.db.statements import batches


class Verdict(StrEnum):
    UP = "up"
    DOWN = "down"


class Reason(StrEnum):
    """Why; each belongs to one of the verdicts, `other` to both."""

    CORRECT = "correct"
    WELL_SOURCED = "well_sourced"
    RIGHTLY_NOT_FOUND = "rightly_not_found"
    WRONG = "wrong"
    INCOMPLETE = "incomplete"
    OUTDATED = "outdated"
    WRONG_SOURCE = "wrong_source"
    SHOULD_HAVE_BEEN_FOUND = "should_have_been_found"
    SHOULD_NOT_HAVE_BEEN_ANSWERED = "should_not_have_been_answered"
    OTHER = "other"


class FeedbackState(StrEnum):
    """New until somebody has looked at it; then a case, or rejected, without its texts."""

    NEW = "new"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


_STATE = Enum(
    FeedbackState, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states]
)


class FeedbackRow(Base):
    """What one person said about one answer of hers. Changed feedback is new again, whatever became of it before."""

    __tablename__ = "answer_feedback"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    answer: Mapped[str] = mapped_column(String(64), primary_key=True)
    record: Mapped[int] = mapped_column(BigInteger, doc="Number of the answer's audit record.")
    person: Mapped[str] = mapped_column(String(160), doc="Who got the answer, as its record says.")
    verdict: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(String(32), doc="A code; empty: none was given.")
    comment: Mapped[str] = mapped_column(Text, doc="Masked; empty: none is kept.")
    question: Mapped[str] = mapped_column(Text, doc="Masked; empty: she did not agree to its being kept.")
    state: Mapped[FeedbackState] = mapped_column(_STATE)
    expected: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), doc="What a right answer rests on: ids only. Of an accepted one."
    )
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reviewed_by: Mapped[str | None] = mapped_column(String(160))
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Feedbacks:
    """The feedback of one tenant. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._mine = FeedbackRow.tenant == tenant
        self._tenant = tenant

    async def find(self, answer: str) -> FeedbackRow | None:
        return await self._session.get(FeedbackRow, (self._tenant, answer))

    async def put(self, row: FeedbackRow) -> bool:
        """Store it in the place of earlier feedback on the same answer. Whether there was any."""
        earlier = await self.find(row.answer)
        await self._session.merge(row)
        await self._session.flush()
        return earlier is not None

    async def newest(self, limit: int, state: FeedbackState | None = None) -> list[FeedbackRow]:
        """The newest first."""
        statement = select(FeedbackRow).where(self._mine)
        if state is not None:
            statement = statement.where(FeedbackRow.state == state)
        ordered = statement.order_by(FeedbackRow.given_at.desc(), FeedbackRow.answer)
        return list(await self._session.scalars(ordered.limit(limit)))

    async def accepted(self) -> list[FeedbackRow]:
        """The evaluation cases, oldest first."""
        statement = select(FeedbackRow).where(self._mine, FeedbackRow.state == FeedbackState.ACCEPTED)
        return list(await self._session.scalars(statement.order_by(FeedbackRow.given_at, FeedbackRow.answer)))

    async def count_about(self, answers: Collection[str]) -> int:
        """How many hold a text about one of these answers."""
        held = self._mine, or_(FeedbackRow.comment != "", FeedbackRow.question != "")
        count = 0
        for some in batches(sorted(answers)):
            statement = select(func.count()).select_from(FeedbackRow).where(*held, FeedbackRow.answer.in_(some))
            count += await self._session.scalar(statement) or 0
        return count

    async def count_cases_of(self, names: Collection[str]) -> int:
        """How many cases name one of these documents or chunks."""
        statement = select(FeedbackRow.expected).where(self._mine, FeedbackRow.state == FeedbackState.ACCEPTED)
        return sum(
            [_name_any(expected or {}, names) async for expected in await self._session.stream_scalars(statement)]
        )

    async def with_texts(self) -> Sequence[FeedbackRow]:
        """All that hold a comment or a question."""
        held = or_(FeedbackRow.comment != "", FeedbackRow.question != "")
        return (await self._session.scalars(select(FeedbackRow).where(self._mine, held))).all()

    async def people(self) -> list[str]:
        """Who has given any."""
        return list(await self._session.scalars(select(FeedbackRow.person).where(self._mine).distinct()))

    async def remove_person(self, person: str) -> int:
        """Remove all that she gave, cases made of it included. How many there were."""
        answers = list(
            await self._session.scalars(
                delete(FeedbackRow).where(self._mine, FeedbackRow.person == person).returning(FeedbackRow.answer)
            )
        )
        return len(answers)

    async def forget_older(self, moment: datetime) -> None:
        """Remove what is older and has not become a case."""
        old = FeedbackRow.given_at < moment, FeedbackRow.state != FeedbackState.ACCEPTED
        await self._session.execute(delete(FeedbackRow).where(self._mine, *old))


def _name_any(expected: Mapping[str, Any], names: Collection[str]) -> bool:
    return any(name in names for named in expected.values() if isinstance(named, list) for name in named)


def clear_texts(row: FeedbackRow) -> None:
    """Take the texts away; a case without its question is none any more."""
    row.comment, row.question = "", ""
    row.expected = None
    if row.state is FeedbackState.ACCEPTED:
        row.state = FeedbackState.REJECTED
