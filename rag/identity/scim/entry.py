"""A provisioned person or group, as the directory keeps it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["User", "Group"]


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A person or group in a group."""

    id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """A provisioned person or group. `name` is its name in the policy; only a group has `members`, ordered by id."""

    id: str
    kind: Kind
    name: str
    label: str
    external_id: str | None
    active: bool
    version: int
    created_at: datetime
    updated_at: datetime
    members: tuple[Member, ...] = ()


class Taken(Exception):
    """The name, or the label, is another one's."""


class Moved(Exception):
    """Somebody else wrote to the directory of this tenant meanwhile."""
