"""Queries about API keys. Takes a session; never commits."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import ApiKeyRow
from rag.errors import NotFound
from rag.identity.keys import LAST_USED_EVERY, ApiKey, NewKey, make_key, same_digest, secret_digest, split_bearer

_NO_DIGEST = "0" * 64
"""Compared with where there is no such key, so that unknown ids take the same steps as known ones."""


class ApiKeys:
    """The stored keys of all tenants: which tenant a bearer belongs to is known only after looking it up."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self,
        *,
        tenant: str,
        subject: str,
        now: datetime,
        label: str = "",
        may_name_people: bool = False,
        administrator: bool = False,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Store a fresh key; its bearer is in the result and nowhere else.

        Raises:
            Misuse: see `make_key`.
        """
        new = make_key(
            tenant=tenant,
            subject=subject,
            now=now,
            label=label,
            may_name_people=may_name_people,
            administrator=administrator,
            expires_at=expires_at,
        )
        self._session.add(
            ApiKeyRow(
                id=new.key.id,
                tenant=tenant,
                secret_digest=new.secret_digest,
                subject=subject,
                label=label,
                may_name_people=may_name_people,
                administrator=administrator,
                created_at=now,
                expires_at=expires_at,
                revoked_at=None,
                last_used_at=None,
            )
        )
        await self._session.flush()
        return new

    async def find_by_bearer(self, bearer: str, *, now: datetime) -> ApiKey | None:
        """The usable key that this bearer is, or None: unknown, wrong, revoked and expired look alike."""
        parts = split_bearer(bearer)
        if parts is None:
            return None
        identifier, secret = parts
        row = await self._session.get(ApiKeyRow, identifier, populate_existing=True)
        presented = secret_digest(identifier, secret)
        matches = same_digest(_NO_DIGEST if row is None else row.secret_digest, presented)
        if row is None or not matches:
            return None
        key = _key(row)
        return key if key.usable_at(now) else None

    async def touch(self, identifier: str, *, now: datetime) -> None:
        """Note the use of a key, unless one was noted within `LAST_USED_EVERY`."""
        await self._session.execute(
            update(ApiKeyRow)
            .where(
                ApiKeyRow.id == identifier,
                or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= now - LAST_USED_EVERY),
            )
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )

    async def list(self, tenant: str | None = None) -> list[ApiKey]:
        """The keys of a tenant, or of all, oldest first; revoked and expired ones included."""
        statement = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        if tenant is not None:
            statement = statement.where(ApiKeyRow.tenant == tenant)
        return [_key(row) for row in await self._session.scalars(statement)]

    async def revoke(self, identifier: str, *, now: datetime) -> ApiKey:
        """End a key at once. A key that was revoked before keeps its first date.

        Raises:
            NotFound: no key has this id.
        """
        row = await self._session.get(ApiKeyRow, identifier, populate_existing=True)
        if row is None:
            raise NotFound(f"There is no key {identifier!r}. `ringfence keys list` shows those there are.")
        if row.revoked_at is None:
            row.revoked_at = now
            await self._session.flush()
        return _key(row)


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        subject=row.subject,
        label=row.label,
        may_name_people=row.may_name_people,
        administrator=row.administrator,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
