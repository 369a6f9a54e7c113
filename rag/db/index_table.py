"""The table of index versions: which indexes a tenant has, what made them, and which one answers."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Enum, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base, UtcDateTime

FIRST_NUMBER = 1
"""The index of whoever never built another."""


class IndexState(StrEnum):
    """One is live. Beside it stands at most one other: it is being built, is ready, or was live before and is kept
    up to date, so that one can go back to it at once. A dropped one is remembered, as numbers are not used again."""

    BUILDING = "building"
    READY = "ready"
    LIVE = "live"
    RETIRED = "retired"
    DROPPING = "dropping"
    DROPPED = "dropped"


BESIDE = (IndexState.BUILDING, IndexState.READY, IndexState.RETIRED)
STANDING = (IndexState.LIVE, *BESIDE)
_STATE = Enum(
    IndexState, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states]
)


class IndexVersionRow(Base):
    """An index of a tenant. Its chunks are those of the versions of documents that have its number."""

    __tablename__ = "index_version"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[IndexState] = mapped_column(_STATE)
    embedder: Mapped[str] = mapped_column(Text, doc="Name of the embedder.")
    embedder_digest: Mapped[str] = mapped_column(Text, doc="What made all of its vectors; empty: not recorded.")
    dim: Mapped[int] = mapped_column(doc="Numbers in a vector; 0: not recorded.")
    embedding: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), doc="Settings that load this embedder; null: those of the installation do."
    )
    chunk_tokens: Mapped[int | None] = mapped_column(doc="Longest chunk; null: as the installation is set.")
    figures: Mapped[dict[str, Any]] = mapped_column(
        JSON, doc="The last comparison with the live one: numbers, and a digest of what the index held."
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    promoted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When it last became the live one.")
