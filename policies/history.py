"""The history of a policy: one record per epoch, written in the transaction of the change itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.edits import Edit, PolicyError
from policies.rows import edit_as_json, edit_from_json
from policies.tables import ChangeRow


class RevisionKind(StrEnum):
    EDIT = "edit"
    ATTRIBUTES = "attributes"
    """Labels of documents changed, no line of the policy did."""


class HistoryIncomplete(PolicyError):
    """The records do not reach back, or forward, without a gap: what was in between cannot be told."""

    code = "history_incomplete"


class HistoryUnreadable(PolicyError):
    """The database did not answer."""

    code = "policy_unreadable"


@dataclass(frozen=True, slots=True)
class Retry:
    """What makes a repeated request the same request: the caller's key, and a digest of what was asked."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One committed change of a tenant's policy: how it came to `epoch`."""

    epoch: int
    at: datetime
    author: str
    reason: str
    kind: RevisionKind
    edit: Edit
    retry: Retry | None = None


class History:
    """Reads and adds records of one tenant. Takes a session, never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def add(self, epoch: int, edit: Edit, *, author: str, reason: str, retry: Retry | None = None) -> None:
        """Record an edit as part of the caller's transaction."""
        self._add(epoch, RevisionKind.EDIT, edit, author, reason, retry)

    def add_attributes(self, epoch: int) -> None:
        """Record that labels changed: with it, every epoch has its record, and a missing one is noticed."""
        self._add(epoch, RevisionKind.ATTRIBUTES, Edit(), "", "", None)

    async def between(self, after: int, up_to: int) -> list[Revision]:
        """The revisions that lead from epoch `after` to epoch `up_to`, in order.

        Raises:
            HistoryIncomplete: a record is missing or cannot be understood.
            HistoryUnreadable: the database failed.
        """
        statement = select(ChangeRow).where(
            ChangeRow.tenant == self._tenant, ChangeRow.epoch > after, ChangeRow.epoch <= up_to
        )
        revisions = await self._read(statement.order_by(ChangeRow.epoch))
        if len(revisions) != up_to - after or any(
            revision.epoch != epoch for epoch, revision in enumerate(revisions, after + 1)
        ):
            raise self._incomplete(after, up_to)
        return revisions

    async def newest(self, *, before: int | None = None, limit: int) -> list[Revision]:
        """At most `limit` edits, newest first, older than epoch `before`. Changes of labels are left out."""
        statement = select(ChangeRow).where(ChangeRow.tenant == self._tenant, ChangeRow.kind == RevisionKind.EDIT.value)
        if before is not None:
            statement = statement.where(ChangeRow.epoch < before)
        return await self._read(statement.order_by(ChangeRow.epoch.desc()).limit(limit))

    async def find_retry(self, author: str, key: str) -> Revision | None:
        """What `author` changed earlier under this key."""
        statement = select(ChangeRow).where(
            ChangeRow.tenant == self._tenant, ChangeRow.author == author, ChangeRow.idempotency_key == key
        )
        return next(iter(await self._read(statement)), None)

    async def _read(self, statement: Select[ChangeRow]) -> list[Revision]:
        try:
            return [_revision(row) for row in await self._session.scalars(statement)]
        except SQLAlchemyError as cause:
            raise HistoryUnreadable(f"The history of tenant {self._tenant!r} cannot be read. Retry.") from cause
        except ValueError as cause:
            raise HistoryIncomplete(
                f"The history of tenant {self._tenant!r} holds a record that cannot be understood."
            ) from cause

    def _add(self, epoch: int, kind: RevisionKind, edit: Edit, author: str, reason: str, retry: Retry | None) -> None:
        self._session.add(
            ChangeRow(
                tenant=self._tenant,
                epoch=epoch,
                at=datetime.now(UTC),
                author=author,
                reason=reason,
                kind=kind.value,
                edit=edit_as_json(edit),
                idempotency_key=None if retry is None else retry.key,
                request_digest=None if retry is None else retry.digest,
            )
        )

    def _incomplete(self, after: int, up_to: int) -> HistoryIncomplete:
        return HistoryIncomplete(
            f"The history of tenant {self._tenant!r} has no complete record of versions {after} to {up_to}."
        )


def _revision(row: ChangeRow) -> Revision:
    retry = None
    if row.idempotency_key is not None and row.request_digest is not None:
        retry = Retry(row.idempotency_key, row.request_digest)
    edit = edit_from_json(row.edit)
    return Revision(row.epoch, row.at, row.author, row.reason, RevisionKind(row.kind), edit, retry)
