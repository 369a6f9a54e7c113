"""Rules, role links and document attributes: what a policy is made of, validated where it is written.

Names are checked against a closed alphabet here, so that no stored value can change the meaning of another
column when it reaches Casbin (a comma or bracket in a name once shifted columns in the stock adapters).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

ANY = "*"
"""A column that does not restrict."""
SELF = "self"
"""In the owner column: the document's owner must be the person who asks."""
SHARED = "@shared"
"""In the document column: the source system shares the document with the person, or a group or role she is in."""

SUBJECT_KINDS = ("user", "group", "role", "assistant")
COMPARTMENT_KIND = "compartment"
PLAIN_ACTIONS = ("read", "ingest", "delete", "relabel", "administer")
ROLE_DEPTH_MAX = 9
"""Casbin's role manager resolves chains of at most nine links; longer ones would silently not hold."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+/-]{0,127}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,127}")
_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


class InvalidRule(ValueError):
    """A rule, role link or attribute set that cannot be stored: the message says which column and why."""


class Level(IntEnum):
    """Classification, ordered."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3
    SECRET = 4

    @classmethod
    def parse(cls, value: str | int) -> "Level":
        """Accept the number or the name in any case.

        Raises:
            InvalidRule: neither a known number nor a known name.
        """
        if isinstance(value, bool):
            raise InvalidRule(f"level {value!r} is not a classification")
        try:
            return cls(int(value)) if str(value).isdigit() else cls[str(value).upper()]
        except (KeyError, ValueError):
            known = ", ".join(level.name.lower() for level in cls)
            raise InvalidRule(f"level {value!r} is unknown; use one of {known} or 0 to 4") from None


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


def subject_name(value: str, *, kinds: tuple[str, ...] = SUBJECT_KINDS) -> str:
    """Return `value` if it is a well-formed `kind:name`.

    Raises:
        InvalidRule: unknown kind, or a character outside the closed alphabet.
    """
    kind, separator, name = value.partition(":")
    if not separator or kind not in kinds or not _NAME.fullmatch(name):
        raise InvalidRule(
            f"subject {value!r} is not of the form kind:name with kind one of {', '.join(kinds)} "
            "and a name of letters, digits and _ . @ + / -"
        )
    return value


def plain_name(value: str, column: str) -> str:
    """Return `value` if it is a name of the closed alphabet; `column` is named in the error.

    Raises:
        InvalidRule: empty, too long, or a character outside the alphabet.
    """
    if not _NAME.fullmatch(value):
        raise InvalidRule(
            f"{column} {value!r} must be 1 to 128 letters, digits and _ . @ + / -, starting with a letter or digit"
        )
    return value


def _tags(values: Iterable[str], column: str) -> frozenset[str]:
    tags = frozenset(values)
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise InvalidRule(f"{column} {tag!r} must be 1 to 128 letters, digits and _ . : @ / -")
    return tags


def _level(value: object) -> Level:
    """Whole numbers only: True equals 1, and 2.0 equals 2, but an index may tell them apart."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRule(f"level {value!r} is not a whole number")
    return Level(value)


def action_name(value: str) -> str:
    """Return `value` if it is a known action: one of `PLAIN_ACTIONS`, or `unmask:<ENTITY>`.

    Raises:
        InvalidRule: any other value.
    """
    kind, separator, entity = value.partition(":")
    if value in PLAIN_ACTIONS or (kind == "unmask" and separator and _ENTITY.fullmatch(entity)):
        return value
    raise InvalidRule(f"action {value!r} is unknown; use {', '.join(PLAIN_ACTIONS)} or unmask:<ENTITY>")


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One `p` line: `subject` may (or may not) do `action` to documents that meet every column.

    `tags` is a set that the document must have in full; `level` is the highest classification an allowing rule
    covers. A denying rule covers all of them.
    """

    subject: str
    tenant: str
    action: str
    department: str = ANY
    tags: frozenset[str] = frozenset()
    owner: str = ANY
    document: str = ANY
    level: Level = Level.SECRET
    effect: Effect = Effect.ALLOW

    def __post_init__(self) -> None:
        subject_name(self.subject)
        plain_name(self.tenant, "tenant")
        action_name(self.action)
        if self.department != ANY:
            plain_name(self.department, "department")
        _tags(self.tags, "tag")
        if self.owner not in (ANY, SELF):
            raise InvalidRule(f"owner {self.owner!r} must be {ANY!r} or {SELF!r}")
        if self.document not in (ANY, SHARED):
            plain_name(self.document, "document")
        object.__setattr__(self, "level", _level(self.level))
        object.__setattr__(self, "effect", Effect(self.effect))
        if self.effect is Effect.DENY and self.level < max(Level):
            # A paragraph that is classified higher than its document would slip out from under the denial.
            raise InvalidRule("a rule that denies covers every level; leave its level out")


@dataclass(frozen=True, slots=True, order=True)
class RoleLink:
    """One `g` line: `member` has everything `parent` has, in `tenant`.

    A `compartment:` parent is a membership, not a subject of rules: it opens the wall of that name.
    """

    member: str
    parent: str
    tenant: str

    def __post_init__(self) -> None:
        subject_name(self.member)
        subject_name(self.parent, kinds=("group", "role", COMPARTMENT_KIND))
        plain_name(self.tenant, "tenant")
        if self.member == self.parent:
            raise InvalidRule(f"{self.member!r} cannot be linked to itself")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a document, or a stricter paragraph of it, is labelled with. `owner` may be empty: nobody's."""

    tenant: str
    document: str
    department: str
    level: Level
    tags: frozenset[str] = frozenset()
    owner: str = ""
    shares: frozenset[str] = frozenset()
    denied_shares: frozenset[str] = frozenset()
    compartments: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        plain_name(self.tenant, "tenant")
        plain_name(self.document, "document")
        plain_name(self.department, "department")
        object.__setattr__(self, "level", _level(self.level))
        object.__setattr__(self, "tags", _tags(self.tags, "tag"))
        if self.owner:
            subject_name(self.owner, kinds=("user",))
        for column in ("shares", "denied_shares"):
            names = frozenset(getattr(self, column))
            for name in names:
                subject_name(name, kinds=("user", "group", "role"))
            object.__setattr__(self, column, names)
        compartments = frozenset(self.compartments)
        for name in compartments:
            subject_name(name, kinds=(COMPARTMENT_KIND,))
        object.__setattr__(self, "compartments", compartments)

    def tightened(self, override: "Tightening") -> "Attributes":
        """The attributes of a paragraph: at least as strict as the document's in every column."""
        return Attributes(
            tenant=self.tenant,
            document=self.document,
            department=self.department,
            level=max(self.level, override.level),
            tags=self.tags,
            owner=self.owner,
            shares=self.shares,
            denied_shares=self.denied_shares | override.denied_shares,
            compartments=self.compartments | override.compartments,
        )


@dataclass(frozen=True, slots=True)
class Tightening:
    """What a paragraph adds to its document's attributes. Every field can only take readers away.

    Tags are not among them: an allow rule can ask for a tag, so adding one could also admit a reader.
    """

    level: Level = Level.PUBLIC
    compartments: frozenset[str] = frozenset()
    denied_shares: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        return self == Tightening()


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose rights are asked about: a subject, and the groups vouched for in this very call.

    `groups` holds memberships from a verified identity token, as `group:` names; role links add to them.
    """

    tenant: str
    subject: str
    groups: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        plain_name(self.tenant, "tenant")
        subject_name(self.subject, kinds=("user", "assistant"))
        for name in self.groups:
            subject_name(name, kinds=("group",))
