"""What was erased is remembered, so that a source that still holds it does not bring it back.

A mark is a keyed digest: of the token; of the value, whatever a recognizer takes it for next time; of the parts of a
name, so that "Dr Ann Lee" does not bring back "Ann Lee". It says only "not this one", and only to somebody who has
the value and the tenant's key already.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.statements import batches, insert_if_absent, table_of
from rag.db.tables import ErasedRow
from rag.privacy.faces import name_parts, normalise
from rag.privacy.keys import keyed_digest


def marks_of(key: bytes, token: str, entity: str, original: str) -> frozenset[str]:
    """The marks by which a value is known again."""
    return name_marks(key, token, entity, original) | {value_mark(key, original)}


def name_marks(key: bytes, token: str, entity: str, original: str) -> frozenset[str]:
    """The same as this entity only: "Paris" the person's is no reason to forget the town."""
    parts = name_parts(original) if entity == "PERSON" else []
    return frozenset({token, *([name_mark(key, parts)] if parts else [])})


def value_mark(key: bytes, original: str) -> str:
    """The mark of a value in any case and spacing, as any kind of entity."""
    return f"value:{keyed_digest(key, 'erased value', normalise('', original)).hex()}"


def name_mark(key: bytes, parts: Iterable[str]) -> str:
    """The mark of a name with these parts, in any order and spelling."""
    return f"name:{keyed_digest(key, 'erased name', *sorted(set(parts))).hex()}"


def is_erased(marks: Collection[str], key: bytes, entity: str, original: str) -> bool:
    """Whether one of `marks`, all those of a tenant, is of this value."""
    return bool(marks) and not marks_of(key, "", entity, original).isdisjoint(marks)


class Erased:
    """The marks of one tenant. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def nothing(self) -> bool:
        """Whether nothing was ever erased, as in most tenants."""
        return (
            await self._session.scalar(select(ErasedRow.mark).where(ErasedRow.tenant == self._tenant).limit(1)) is None
        )

    async def all(self) -> frozenset[str]:
        """Every mark of the tenant: some for each erased value."""
        return frozenset(await self._session.scalars(select(ErasedRow.mark).where(ErasedRow.tenant == self._tenant)))

    async def find(self, marks: Collection[str]) -> dict[str, str]:
        """Those of the marks that are erased, each with the id of its receipt."""
        found: dict[str, str] = {}
        for batch in batches(sorted(set(marks))):
            columns = select(ErasedRow.mark, ErasedRow.receipt)
            rows = await self._session.execute(
                columns.where(ErasedRow.tenant == self._tenant, ErasedRow.mark.in_(batch))
            )
            found.update({mark: receipt for mark, receipt in rows})
        return found

    async def add(self, marks: Collection[str], receipt: str, now: datetime) -> None:
        """Remember the marks. One that is held already keeps its first receipt."""
        rows = [
            {"tenant": self._tenant, "mark": mark, "receipt": receipt, "erased_at": now} for mark in sorted(set(marks))
        ]
        for batch in batches(rows):
            await self._session.execute(insert_if_absent(self._session, table_of(ErasedRow)), batch)
