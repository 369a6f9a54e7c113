"""Who a principal of a source is here: a table that a person wrote, keyed by what the source never uses twice.

    identities:
      users: {"1001": user:ann, "1002": user:bo, "34": nobody}
      groups: {"100": group:staff}
      same: [user:ann]        # subjects that more than one principal of this source may be

Names are never compared: two sources may both know an "ann" or a "finance". A principal that the table does not hold
gets nothing. `nobody` says of one that it is no person here: what it may, and may not, is of no account.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ingestion.sources.protocol import Labels, Unlabelled
from policies.rules import subject_name

NOBODY = "nobody"
NOTICES_MAX = 20
_ID_CHARS_MAX = 512

Kind = Literal["user", "group"]


@dataclass(frozen=True, slots=True)
class SourcePrincipal:
    """A person or a group as its source knows it. `id` is the source's own and immutable: a number, never a name."""

    kind: Kind
    id: str


class Identities(BaseModel):
    """The table of one source. What two sources call the same stays two entries in two tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: dict[str, str] = {}
    groups: dict[str, str] = {}
    same: tuple[str, ...] = ()

    @field_validator("users", "groups")
    @classmethod
    def _ids(cls, table: dict[str, str]) -> dict[str, str]:
        for known in table:
            if not known or len(known) > _ID_CHARS_MAX or not known.isprintable() or known != known.strip():
                raise ValueError(f"{known[:40]!r} is no identity of a principal")
        return table

    @field_validator("users")
    @classmethod
    def _people(cls, table: dict[str, str]) -> dict[str, str]:
        return {known: _subject(subject, ("user",)) for known, subject in table.items()}

    @field_validator("groups")
    @classmethod
    def _groups(cls, table: dict[str, str]) -> dict[str, str]:
        return {known: _subject(subject, ("group", "role")) for known, subject in table.items()}

    @model_validator(mode="after")
    def _no_silent_merge(self) -> "Identities":
        counted = Counter(subject for table in (self.users, self.groups) for subject in table.values())
        for subject, number in sorted(counted.items()):
            if number > 1 and subject != NOBODY and subject not in self.same:
                raise ValueError(
                    f"{number} principals of the source are {subject!r}; where they are one, say so under `same`"
                )
        return self

    def require_unambiguous(self) -> None:
        """For sources whose identities are words: one that could be a person and a group is refused.

        Raises:
            ValueError: an identity stands in both tables.
        """
        if both := sorted(self.users.keys() & self.groups.keys()):
            raise ValueError(f"{both[0]!r} stands under users and under groups; it can be one of them")

    def subject(self, principal: SourcePrincipal) -> str | None:
        """Its subject here, `nobody`, or None where nobody has said."""
        return (self.users if principal.kind == "user" else self.groups).get(principal.id)


def _subject(subject: str, kinds: tuple[str, ...]) -> str:
    return subject if subject == NOBODY else subject_name(subject, kinds=kinds)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Who may read one document at its source. A denial beats every permission, also those of groups."""

    owner: SourcePrincipal | None = None
    readers: frozenset[SourcePrincipal] = frozenset()
    denied: frozenset[SourcePrincipal] = frozenset()


@dataclass(slots=True)
class Mapped:
    """The permissions of one listing in our words. Counts who could not be mapped, for the operator."""

    identities: Identities
    _unmapped: Counter[SourcePrincipal] = field(default_factory=Counter, init=False)

    def labelled(self, labels: Labels | Unlabelled, permissions: Permissions) -> Labels | Unlabelled:
        """The labels with owner and shares from the source in place of their own; its denials are added.

        A denial that cannot be said here keeps the document out: without it, a rule might let that person in.
        """
        if isinstance(labels, Unlabelled):
            return labels
        denied = self._subjects(permissions.denied)
        if len(denied) != len(permissions.denied):
            kept_out = next(one for one in sorted(permissions.denied, key=str) if self.identities.subject(one) is None)
            return Unlabelled(
                f"its source keeps {kept_out.kind} {kept_out.id} out, of whom `identities` says nothing; "
                f"map it, or to {NOBODY}"
            )
        owner = self._subjects([permissions.owner] if permissions.owner else [])
        return replace(
            labels,
            owner="".join(subject for subject in owner if subject != NOBODY),
            shares=frozenset(self._subjects(permissions.readers)) - {NOBODY},
            denied_shares=labels.denied_shares | (frozenset(denied) - {NOBODY}),
        )

    def _subjects(self, principals: Iterable[SourcePrincipal]) -> list[str]:
        found: list[str] = []
        for principal in principals:
            subject = self.identities.subject(principal)
            if subject is None:
                self._unmapped[principal] += 1
            else:
                found.append(subject)
        return found

    def notices(self) -> tuple[str, ...]:
        """One sentence for each principal that got nothing, those with the most documents first."""
        counted = sorted(self._unmapped.items(), key=lambda one: (-one[1], one[0].kind, one[0].id))
        told = [
            f"{principal.kind} {principal.id} of the source is not in `identities`: "
            f"without its rights on {number} document{'s' * (number > 1)}"
            for principal, number in counted[:NOTICES_MAX]
        ]
        more = len(counted) - NOTICES_MAX
        if more > 0:
            told.append(f"{more} more principals of the source are not in `identities`")
        return tuple(told)
