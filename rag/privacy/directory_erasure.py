"""An erased person leaves the directories too: no later text is recognised by them as hers.

A directory holds digests and not whose they are. So every form of her values goes, also where a namesake's is equal
("A. Lee" of Ann and of Al Lee): importing the file again brings back those of others, and never hers.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import DirectoryRow
from rag.privacy.configured import Change, Configurations
from rag.privacy.directory_forms import Records, forms_digest, packed
from rag.privacy.known_values import Form, Unusable, forms_of

Value: TypeAlias = tuple[str, str | None]
"""A value, and the entity that it is erased as; None: whatever it is listed as."""


@dataclass(frozen=True, slots=True)
class ListedForms:
    """All forms of one value as one entity; the first is the value as it was written."""

    value: str = field(repr=False)
    entity: str
    forms: tuple[Form, ...]


Listed: TypeAlias = Mapping[str, frozenset[ListedForms]]
"""By directory, the values that are in it."""


@dataclass(frozen=True, slots=True)
class Unlisted:
    """What was removed: how many digests by directory; `deleted` must not be found on disk any more.

    `outdated` documents were masked with the directories as they were.
    """

    digests: Mapping[str, int]
    deleted: tuple[bytes, ...] = field(repr=False)
    outdated: int = 0


async def find_listed(session: AsyncSession, tenant: str, values: Collection[Value], key: bytes) -> Listed:
    """Which of the values stand in which directory of the tenant. `key` digests the values of directories."""
    found: dict[str, frozenset[ListedForms]] = {}
    for row in await _rows(session, tenant) if values else ():
        records = Records(row.forms)
        listed = {
            one
            for value, entity in values
            for one in _forms(key, value, row.entities if entity is None else {entity} & set(row.entities))
            if records.held(_packed(row, [(one.entity, one.forms[0])]))
        }
        if listed:
            found[row.name] = frozenset(listed)
    return found


async def unlist(session: AsyncSession, tenant: str, listed: Listed, change: Change) -> Unlisted:
    """Remove all forms of the values; a new version of the configuration says so.

    A directory that was replaced meanwhile loses what it has of them.
    """
    digests: dict[str, int] = {}
    deleted: set[bytes] = set()
    for row in await _rows(session, tenant) if listed else ():
        records, hers = Records(row.forms), listed.get(row.name, frozenset())
        gone = records.held(_packed(row, ((one.entity, form) for one in hers for form in one.forms)))
        if gone:
            written = {(one.entity, one.forms[0]) for one in hers}
            whole = Counter(entity for entity, form in written if records.held(_packed(row, [(entity, form)])))
            digests[row.name] = len(gone)
            deleted |= gone
            row.forms = records.without(gone)
            row.entities = {entity: max(number - whole[entity], 0) for entity, number in row.entities.items()}
            row.digest = forms_digest(row.entities, row.forms)
            if not row.forms:
                await session.delete(row)
    if not digests:
        return Unlisted({}, ())
    await session.flush()
    configurations = Configurations(session, tenant)
    version = await configurations.set((await configurations.newest()).configuration, change, what="erasure")
    left = set[bytes]().union(*(Records(row.forms).held(deleted) for row in await _rows(session, tenant)))
    outdated = (await configurations.standing(version.digest)).outdated
    return Unlisted(digests, tuple(sorted(deleted - left)), outdated)


async def _rows(session: AsyncSession, tenant: str) -> Sequence[DirectoryRow]:
    statement = select(DirectoryRow).where(DirectoryRow.tenant == tenant).order_by(DirectoryRow.name)
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()


def _packed(row: DirectoryRow, forms: Iterable[tuple[str, Form]]) -> set[bytes]:
    """Their records in this directory; those of entities that it has not are left out."""
    return {packed(row.entities, entity, form) for entity, form in forms if entity in row.entities}


def _forms(key: bytes, value: str, entities: Iterable[str]) -> Iterator[ListedForms]:
    for entity in sorted(entities):
        try:
            yield ListedForms(value, entity, forms_of(key, entity, value, variants=True))
        except Unusable:
            continue  # Then no directory has it.
