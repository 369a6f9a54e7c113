"""Queries about API keys. Takes a session; never commits."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import ApiKeyRow
from rag.errors import Misuse, NotFound
from rag.identity.keys import LAST_USED_EVERY, ApiKey, NewKey, Scope, make_key, same_digest, secret_digest, split_bearer

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
        scopes: Iterable[Scope] | None = None,
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
            scopes=scopes,
            expires_at=expires_at,
        )
        return await self._add(new)

    async def rotate(self, identifier: str, *, now: datetime, overlap: timedelta) -> NewKey:
        """A fresh key with the rights, the label and the lifetime of an older one, which ends after `overlap`.

        Both can be used meanwhile, so that whoever holds the old one can be given the new one without a gap.

        Raises:
            NotFound: no key has this id.
            Misuse: it can no longer be used, or was rotated before and its successor still can.
        """
        row = await self._row(identifier)
        old = _key(row)
        if not old.usable_at(now):
            raise Misuse(f"Key {identifier!r} can no longer be used, so it cannot be rotated. Create a new one.")
        following = await self._session.scalars(select(ApiKeyRow).where(ApiKeyRow.replaces == identifier))
        if any(_key(later).usable_at(now) for later in following):
            raise Misuse(f"Key {identifier!r} was rotated before: rotate or revoke the key that followed it.")
        new = make_key(
            tenant=old.tenant,
            subject=old.subject,
            now=now,
            label=old.label,
            may_name_people=old.may_name_people,
            administrator=old.administrator,
            scopes=old.scopes,
            replaces=old.id,
            expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at),
        )
        end = now + overlap
        row.expires_at = end if old.expires_at is None else min(end, old.expires_at)
        return await self._add(new)

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
        row = await self._row(identifier)
        if row.revoked_at is None:
            row.revoked_at = now
            await self._session.flush()
        return _key(row)

    async def _row(self, identifier: str) -> ApiKeyRow:
        row = await self._session.get(ApiKeyRow, identifier, populate_existing=True)
        if row is None:
            raise NotFound(f"There is no key {identifier!r}. `ringfence keys list` shows those there are.")
        return row

    async def _add(self, new: NewKey) -> NewKey:
        key = new.key
        self._session.add(
            ApiKeyRow(
                id=key.id,
                tenant=key.tenant,
                secret_digest=new.secret_digest,
                subject=key.subject,
                label=key.label,
                may_name_people=key.may_name_people,
                administrator=key.administrator,
                scopes=sorted(key.scopes),
                replaces=key.replaces,
                created_at=key.created_at,
                expires_at=key.expires_at,
                revoked_at=None,
                last_used_at=None,
            )
        )
        await self._session.flush()
        return new


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        subject=row.subject,
        label=row.label,
        may_name_people=row.may_name_people,
        administrator=row.administrator,
        # A scope that is not known, from a newer release, opens nothing here.
        scopes=frozenset(scope for scope in Scope if scope in row.scopes),
        replaces=row.replaces,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
