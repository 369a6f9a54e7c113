"""Tables of the policy, and the declarative base that all tables of the house share.

A typed row with one column per field: the stock Casbin adapters store six columns, drop the rest without a
word and re-parse rows as comma-separated text.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Index, MetaData, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC on every database; SQLite keeps no time zone and would hand back naive ones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class EpochRow(Base):
    """A tenant's policy version: raised in the transaction of every change, read at every question."""

    __tablename__ = "policy_epoch"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    epoch: Mapped[int]


class RuleRow(Base):
    """One `p` line. `tags` is the sorted set joined by commas, so that equal rules are equal rows."""

    __tablename__ = "policy_rule"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    subject: Mapped[str] = mapped_column(String(160))
    action: Mapped[str] = mapped_column(String(80))
    department: Mapped[str] = mapped_column(String(128))
    tags: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(String(8))
    document: Mapped[str] = mapped_column(String(128))
    level: Mapped[int]
    effect: Mapped[str] = mapped_column(String(8))

    __table_args__ = (
        UniqueConstraint("tenant", "subject", "action", "department", "tags", "owner", "document", "level", "effect"),
    )


class RoleLinkRow(Base):
    """One `g` line."""

    __tablename__ = "policy_role_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    member: Mapped[str] = mapped_column(String(160))
    parent: Mapped[str] = mapped_column(String(160))

    __table_args__ = (UniqueConstraint("tenant", "member", "parent"),)


class ChangeRow(Base):
    """How the policy came to one epoch: who, why, and the rules and links added and removed, as JSON.

    One row per epoch, also for those that only labels of documents raised: a missing one shows that somebody
    changed the tables by hand.
    """

    __tablename__ = "policy_change"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    author: Mapped[str] = mapped_column(String(160))
    reason: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16), server_default="edit", doc="edit, or attributes.")
    edit: Mapped[dict[str, Any]] = mapped_column(JSON)
    idempotency_key: Mapped[str | None] = mapped_column(String(128), doc="The caller's own name of the request.")
    request_digest: Mapped[str | None] = mapped_column(String(64), doc="Tells a repeated request from another one.")

    __table_args__ = (
        Index("ix_policy_change_at", "tenant", "at"),
        Index("ix_policy_change_retry", "tenant", "author", "idempotency_key", unique=True),
    )
