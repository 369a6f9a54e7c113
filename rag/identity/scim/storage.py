"""The storage that the SCIM protocol reads and writes: the directory of one client, and the policy behind it."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from scim2_models import (
    ForbiddenException,
    InvalidValueException,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    ScimProvider,
    SearchRequest,
    UniquenessException,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import AsyncScimStorage, SearchPage
from scim2_server.utils import parametrize

from policies.change import CanaryExposed
from policies.edits import InvalidEdit
from policies.rules import InvalidRule
from rag.identity.scim.entry import Entry, Kind, Member, Taken
from rag.identity.scim.store import Directory
from rag.identity.scim.writing import Writer, Written
from rag.identity.token_claims import name_of
from rag.issuer_settings import IssuerSettings

LABEL_CHARS_MAX = 512
MEMBERS_MAX = 50_000
_COLUMNS = {"username": "label", "displayname": "label", "externalid": "external_id"}


class DirectoryStorage(AsyncScimStorage):
    """For one request of one client. `issuer` is whose people it provisions; without one, names are taken as sent."""

    def __init__(self, provider: ScimProvider, writer: Writer, issuer: IssuerSettings | None) -> None:
        self._provider = provider
        self._writer = writer
        self._issuer = issuer

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        async with self._writer.database.reading() as session:
            found = await self._directory(session).find(_kind(resource_type), resource_id)
        if found is None:
            raise NotFoundException(detail=f"There is no {resource_type.name} of this id.")
        return self._resource(found)

    async def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        kinds = sorted({_kind(resource_type) for resource_type in resource_types})
        wanted, exact = search_request.filter, _exact(search_request.filter)
        async with self._writer.database.reading() as session:
            directory = self._directory(session)
            found = await directory.entries(kinds, **exact)
            if wanted is not None and "members" in str(wanted).lower():
                found = await directory.with_members(found)
            if wanted is not None:
                found = [entry for entry in found if self._matches(wanted, entry)]
            start = search_request.start_index_0 or 0
            end = None if search_request.count is None else start + search_request.count
            shown = await directory.with_members(found[start:end])
        return SearchPage(len(found), [self._resource(entry) for entry in shown])

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        now = datetime.now(UTC)
        base = self._entry(_kind(resource_type), resource, secrets.token_hex(16), 1, now, now)
        created: list[Entry] = []

        async def write(directory: Directory) -> Written:
            entry = replace(base, members=await _members(directory, resource))
            await directory.add(entry)
            created[:] = [entry]
            return _written("create", entry, {entry.name} if entry.kind == "Group" else set())

        await self._carry_out(write)
        return self._resource(created[0])

    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        kind, identifier = _kind(resource_type), str(resource.id)
        changed: list[Entry] = []

        async def write(directory: Directory) -> Written:
            old = await _stored(directory, kind, identifier, expected_version)
            now = datetime.now(UTC)
            entry = self._entry(kind, resource, identifier, old.version + 1, old.created_at, now)
            # Nobody is let in again by what is left out.
            active = old.active if kind == "User" and getattr(resource, "active", None) is None else entry.active
            entry = replace(entry, active=active, members=await _members(directory, resource))
            if replace(entry, version=old.version, updated_at=old.updated_at) == old:
                entry = old
            await directory.change(entry)
            changed[:] = [entry]
            groups = set(await directory.groups_of(identifier))
            return _written("update", entry, groups | ({old.name, entry.name} if kind == "Group" else set()))

        await self._carry_out(write)
        return self._resource(changed[0])

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        kind = _kind(resource_type)

        async def write(directory: Directory) -> Written:
            old = await _stored(directory, kind, resource_id, expected_version)
            groups = set(await directory.groups_of(resource_id)) | ({old.name} if kind == "Group" else set())
            await directory.remove(old, now=datetime.now(UTC))
            return _written("delete", old, groups)

        await self._carry_out(write)

    async def _carry_out(self, write: Callable[[Directory], Awaitable[Written]]) -> None:
        try:
            await self._writer.carry_out(write)
        except Taken as cause:
            raise UniquenessException(detail="Another resource of this tenant has this name.") from cause
        except InvalidEdit as cause:
            raise InvalidValueException(detail=str(cause)) from cause
        except CanaryExposed as cause:
            raise ForbiddenException(detail=str(cause)) from cause

    def _directory(self, session: Any) -> Directory:
        return Directory(session, self._writer.tenant, self._writer.client)

    def _matches(self, wanted: ScimFilter[Any], entry: Entry) -> bool:
        resource = self._resource(entry)
        if not wanted.models:
            wanted = parametrize(ScimFilter, type(resource))(str(wanted))
        return bool(wanted.match(resource))

    def _entry(
        self,
        kind: Kind,
        resource: Resource[Any],
        identifier: str,
        version: int,
        created_at: datetime,
        updated_at: datetime,
    ) -> Entry:
        """What is kept of a resource.

        Raises:
            InvalidValueException: it has no name that the policy could have.
        """
        label = getattr(resource, "user_name" if kind == "User" else "display_name", None) or ""
        external_id = resource.external_id
        if max(len(label), len(external_id or "")) > LABEL_CHARS_MAX:
            raise InvalidValueException(detail=f"A name or external id is longer than {LABEL_CHARS_MAX} characters.")
        by_external_id = kind == "User" and self._issuer is not None and self._issuer.scim_subject == "externalId"
        called = (external_id or "") if by_external_id else label
        try:
            name = name_of(kind.lower(), called, self._issuer)
        except InvalidRule as cause:
            raise InvalidValueException(detail=f"It cannot be named in the policy: {cause}.") from cause
        return Entry(
            id=identifier,
            kind=kind,
            name=name,
            label=label,
            external_id=external_id,
            # RFC 7643 leaves to the service what a missing value means. Whoever is provisioned is meant to work here.
            active=kind == "Group" or getattr(resource, "active", None) is not False,
            version=version,
            created_at=created_at,
            updated_at=updated_at,
        )

    def _resource(self, entry: Entry) -> Resource[Any]:
        resource_type = next(known for known in self._provider.resource_types if known.name == entry.kind)
        shown: dict[str, Any] = {"id": entry.id, "externalId": entry.external_id}
        if entry.kind == "User":
            shown |= {"userName": entry.label, "active": entry.active}
        else:
            shown |= {"displayName": entry.label, "members": [_shown(member) for member in entry.members] or None}
        resource = cast("type[Resource[Any]]", self._provider.model_for(resource_type)).model_validate(shown)
        resource.meta = Meta(
            resource_type=entry.kind,
            created=entry.created_at,
            last_modified=entry.updated_at,
            version=_tag(entry),
        )
        return resource


async def _stored(directory: Directory, kind: Kind, identifier: str, expected: str | None) -> Entry:
    found = await directory.find(kind, identifier)
    if found is None:
        raise NotFoundException(detail=f"There is no {kind} of this id.")
    if expected is not None and expected != _tag(found):
        raise PreconditionFailedException()
    return found


async def _members(directory: Directory, resource: Resource[Any]) -> tuple[Member, ...]:
    wanted = {str(member.value) for member in getattr(resource, "members", None) or ()}
    if len(wanted) > MEMBERS_MAX:
        raise InvalidValueException(detail=f"A group has at most {MEMBERS_MAX} members.")
    found = await directory.members(wanted)
    if len(found) < len(wanted):
        unknown = len(wanted) - len(found)
        raise InvalidValueException(detail=f"{unknown} of the members are no User or Group of this client.")
    return found


def _shown(member: Member) -> dict[str, str]:
    return {"value": member.id, "type": member.kind, "$ref": f"{member.kind}s/{member.id}"}


def _written(operation: str, entry: Entry, groups: set[str]) -> Written:
    record = {"operation": operation, "kind": entry.kind, "id": entry.id, "name": entry.name, "active": entry.active}
    return Written(frozenset(groups), record)


def _tag(entry: Entry) -> str:
    return f'W/"{entry.version}"'


def _kind(resource_type: ResourceType) -> Kind:
    return "User" if resource_type.name == "User" else "Group"


def _exact(wanted: ScimFilter[Any] | None) -> dict[str, str]:
    """The indexed column and its value, where the filter is one comparison with it: what providers ask all day."""
    node = None if wanted is None else wanted.ast
    if not isinstance(node, Comparison) or node.op != CompareOperator.eq or not isinstance(node.value, str):
        return {}
    column = _COLUMNS.get(node.attr_path.attr.lower())
    return {} if column is None or node.attr_path.sub_attr is not None else {column: node.value}
