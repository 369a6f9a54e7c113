"""Configurations and directories in SQL: versions that are never changed, the newest of which counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import DirectoryRow, MaskingRow, VersionRow
from rag.errors import Conflict, Damaged, NotFound
from rag.privacy.configuration import Configuration, configuration_digest
from rag.privacy.directory import Directory
from rag.privacy.directory_forms import forms_digest, unpacked
from rag.privacy.known_forms import never
from rag.privacy.known_values import Form
from rag.privacy.tenant_rules import DEFAULT, TenantRules, compiled

HISTORY_MAX = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration as it was set."""

    number: int
    digest: str
    configuration: Configuration = field(repr=False)
    change: str = ""
    author: str = ""
    reason: str = field(default="", repr=False)
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A directory without its forms."""

    name: str
    entities: dict[str, int]
    imported_by: str
    imported_at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """By which configuration a tenant's documents were made."""

    current: int
    outdated: int
    """Documents that the next `ringfence ingest` makes again."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes something, when and why."""

    author: str
    reason: str = field(repr=False)
    at: datetime


class Configurations:
    """One tenant's configurations and directories. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def newest_number(self) -> int:
        """0: none was ever set."""
        statement = select(func.max(MaskingRow.version)).where(MaskingRow.tenant == self._tenant)
        return await self._session.scalar(statement) or 0

    async def newest(self) -> Version:
        """The version that counts; number 0 is the default."""
        number = await self.newest_number()
        return Version(0, "", Configuration()) if number == 0 else await self.get(number)

    async def get(self, number: int) -> Version:
        """Raises NotFound, and Damaged where the row is not what was stored."""
        row = await self._session.get(MaskingRow, (self._tenant, number))
        if row is None:
            raise NotFound(f"Tenant {self._tenant!r} has no configuration {number}. `configure history` lists all.")
        try:
            configuration = Configuration.of_text(row.body)
        except ValueError:
            raise _damaged(self._tenant, f"Version {number} of the configuration") from None
        return Version(number, row.digest, configuration, row.change, row.author, row.reason, row.created_at)

    async def history(self, limit: int = HISTORY_MAX) -> list[Version]:
        """All versions, newest first."""
        statement = select(MaskingRow.version).where(MaskingRow.tenant == self._tenant)
        numbers = await self._session.scalars(statement.order_by(MaskingRow.version.desc()).limit(limit))
        return [await self.get(number) for number in numbers.all()]

    async def set(
        self, configuration: Configuration, change: Change, *, what: str = "configuration", made_from: int | None = None
    ) -> Version:
        """Make it the newest version; the newest one is returned as it is if nothing differs.

        Raises:
            Conflict: it was made from another version than the newest.
        """
        number = await self.newest_number()
        if made_from is not None and made_from != number:
            raise Conflict(
                f"The configuration was made from version {made_from}, but version {number} is the newest. "
                "Look at `configure show` again; nothing was changed.",
                code="configuration_changed",
            )
        digest = await self.digest_with(configuration)
        # Compared as it is stored: one that is damaged can be replaced.
        newest = await self._session.get(MaskingRow, (self._tenant, number))
        if (digest, configuration.text) == ((newest.digest, newest.body) if newest else ("", Configuration().text)):
            return await self.newest()
        row = MaskingRow(
            tenant=self._tenant, version=number + 1, digest=digest, body=configuration.text, change=what,
            author=change.author, reason=change.reason, created_at=change.at,
        )  # fmt: skip
        self._session.add(row)
        await self._session.flush()
        return await self.get(row.version)

    async def digest_with(self, configuration: Configuration) -> str:
        """The digest that it has beside the directories there are."""
        return configuration_digest(configuration, [bytes.fromhex(one.digest) for one in await self.directories()])

    async def directories(self) -> list[Listed]:
        """By name, without their forms."""
        columns = (DirectoryRow.name, DirectoryRow.entities, DirectoryRow.imported_by, DirectoryRow.imported_at)
        statement = select(*columns, DirectoryRow.digest).where(DirectoryRow.tenant == self._tenant)
        rows = await self._session.execute(statement.order_by(DirectoryRow.name))
        return [Listed(*row) for row in rows]

    async def put_directory(self, name: str, directory: Directory, change: Change) -> Version:
        """Replace the directory of this name; a new version of the configuration says so."""
        await self._delete(name)
        self._session.add(
            DirectoryRow(
                tenant=self._tenant, name=name, digest=directory.digest, entities=dict(directory.entities),
                forms=directory.forms, imported_by=change.author, imported_at=change.at,
            )
        )  # fmt: skip
        await self._session.flush()
        return await self.set((await self.newest()).configuration, change, what=f"directory:{name}"[:64])

    async def clear_directory(self, name: str, change: Change) -> Version:
        """Remove a directory; a new version of the configuration says so.

        Raises:
            NotFound: there is none of this name.
        """
        if not await self._delete(name):
            raise NotFound(
                f"Tenant {self._tenant!r} has no directory {name!r}. `directory list` shows those there are."
            )
        return await self.set((await self.newest()).configuration, change, what=f"directory:{name}"[:64])

    async def standing(self, digest: str) -> Standing:
        """How many documents were made by the configuration `digest`, and how many by others."""
        newest = (
            select(VersionRow.document, VersionRow.masking_digest, VersionRow.state)
            .where(VersionRow.tenant == self._tenant, VersionRow.state.in_(("staged", "published")))
            .order_by(VersionRow.created_at)
        )
        made: dict[str, tuple[bool, str]] = {}
        for document, by, state in await self._session.execute(newest):
            # A staged version replaces the visible one as soon as it is published.
            if state == "staged" or not made.get(document, (False, ""))[0]:
                made[document] = (state == "staged", by)
        current = sum(by == digest for _, by in made.values())
        return Standing(current, len(made) - current)

    async def rules(self, number: int, key: bytes, is_everyday: Callable[[str], bool] = never) -> TenantRules:
        """A version, which must be the newest one, with the directories, ready to be used.

        Raises:
            Damaged: the rows are not what was stored; nothing may be masked by them.
        """
        if number == 0:
            return DEFAULT
        version = await self.get(number)
        forms: list[tuple[Form, str]] = []
        digests: list[bytes] = []
        for row in await self._session.scalars(select(DirectoryRow).where(DirectoryRow.tenant == self._tenant)):
            digests.append(bytes.fromhex(row.digest))
            try:
                forms += unpacked(row.entities, row.forms)
            except ValueError:
                raise _damaged(self._tenant, f"The directory {row.name!r}") from None
            if forms_digest(row.entities, row.forms) != row.digest:
                raise _damaged(self._tenant, f"The directory {row.name!r}")
        if configuration_digest(version.configuration, digests) != version.digest:
            raise _damaged(self._tenant, f"Version {number} of the configuration, or a directory,")
        return compiled(number, version.digest, version.configuration, forms, key, is_everyday)

    async def _delete(self, name: str) -> bool:
        statement = delete(DirectoryRow).where(DirectoryRow.tenant == self._tenant, DirectoryRow.name == name)
        deleted: Sequence[str] = (await self._session.scalars(statement.returning(DirectoryRow.name))).all()
        return bool(deleted)


def _damaged(tenant: str, what: str) -> Damaged:
    return Damaged(
        f"{what} of tenant {tenant!r} is not what was stored. Nothing is masked by it: import the directories and set "
        "the configuration again, or restore the tables masking_configuration and masking_directory from a backup.",
        code="configuration_damaged",
    )
