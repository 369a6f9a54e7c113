"""Finding records: who, which document, which kind, when, and what was denied."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.record import AuditRecord
from rag.audit.store import AuditRecords

PEOPLE = ("person", "subject", "author")
"""Fields of a body that say who did it."""
DENIALS = frozenset({"denied", "passage_refused", "unmask_refused", "comparison_refused", "feedback_refused"})
"""Kinds of records that the policy's or the identity check's no leaves."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What a record must be; None asks for nothing. From `since` (inclusive) to `until` (exclusive)."""

    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    person: str | None = None
    document: str | None = None
    denied: bool = False

    def admits(self, record: AuditRecord) -> bool:
        """Whether the record's body is as asked; time and kind are asked of the database."""
        body = json.loads(record.body)
        return (
            (self.person is None or any(body.get(name) == self.person for name in PEOPLE))
            and (self.document is None or _names(body, self.document))
            and (not self.denied or is_denial(record))
        )


def is_denial(record: AuditRecord) -> bool:
    """Whether somebody was refused, or had no rule that allows anything."""
    return record.kind in DENIALS or json.loads(record.body).get("denied") is True


async def find_records(session: AsyncSession, tenant: str, asked: AuditFilter, *, limit: int) -> list[AuditRecord]:
    """The newest `limit` records that the filter admits, oldest first."""
    names = tuple(name for name in (asked.person, asked.document) if name is not None)
    found: list[AuditRecord] = []
    records = AuditRecords(session).backwards(
        tenant, since=asked.since, until=asked.until, kind=asked.kind, names=names
    )
    async for record in records:
        if asked.admits(record):
            found.append(record)
        if len(found) == limit:
            break
    return found[::-1]


def _names(value: object, document: str) -> bool:
    """Whether the document stands anywhere in a body: alone, in a list, or beside version and chunk."""
    if isinstance(value, Mapping):
        return any(_names(item, document) for item in value.values())
    if isinstance(value, list):
        return any(_names(item, document) for item in value)
    return value == document
