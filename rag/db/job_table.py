"""The table of jobs: work that waits, is being done, or was done.

A payload holds ids and settings, never text or a path of a document. Numbers, not times, decide what is older: a
clock may be set back.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Enum, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base, UtcDateTime

SYNC = "sync"
"""The kind of the jobs that bring a source up to date; those of other kinds are parts of one."""


class JobState(StrEnum):
    """`DEAD` was tried as often as it may be; the reason says what went wrong last. Of what is `SUPERSEDED`, a later
    listing of the source sees to all."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)
RETRYABLE = (JobState.DEAD, JobState.CANCELLED)
LOST = "worker_lost"
"""The reason of a job whose worker is not heard of any more."""
_STATE = Enum(JobState, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states])


class JobRow(Base):
    """A job. Whoever holds it has the newest `fencing_token`; a write made with an older one is refused."""

    __tablename__ = "job"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, doc="Order of arrival."
    )
    id: Mapped[str] = mapped_column(String(64), unique=True)
    tenant: Mapped[str] = mapped_column(String(128))
    parent: Mapped[str | None] = mapped_column(String(64), doc="The job that this one is a part of.")
    kind: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(128), doc="Name of the source that it is about.")
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, doc="Ids and settings, no text.")
    state: Mapped[JobState] = mapped_column(_STATE)
    priority: Mapped[int] = mapped_column(doc="Higher ones first.")
    attempts: Mapped[int] = mapped_column(doc="How often it was taken; one that was given back does not count.")
    attempts_max: Mapped[int]
    run_after: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(160))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fencing_token: Mapped[int] = mapped_column(BigInteger, doc="Grows whenever it is taken.")
    turn: Mapped[int] = mapped_column(BigInteger, doc="The tenant's turn in which it was last taken; 0: never.")
    idempotency_key: Mapped[str | None] = mapped_column(String(128), doc="The caller's own name of the request.")
    step: Mapped[str] = mapped_column(String(32))
    done: Mapped[int]
    total: Mapped[int]
    result: Mapped[dict[str, Any]] = mapped_column(JSON, doc="Counts of what was done.")
    reason: Mapped[str | None] = mapped_column(String(64), doc="Code of what went wrong last.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key"),
        Index("ix_job_state", "state", "tenant", "priority", "number"),
        Index("ix_job_parent", "parent"),
        Index("ix_job_source", "tenant", "source", "kind"),
    )


class JobTurnRow(Base):
    """When a tenant was last served, as a number that only grows: who was served least recently comes next."""

    __tablename__ = "job_turn"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    turn: Mapped[int] = mapped_column(BigInteger)
