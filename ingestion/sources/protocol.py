"""What a source of documents is: it lists what there is and says how each document is labelled."""

from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from policies.rules import Attributes, Level


@dataclass(frozen=True, slots=True)
class Labels:
    """A document's attributes as its source gives them: complete, and not yet bound to a tenant and an id."""

    department: str
    level: Level
    tags: frozenset[str] = frozenset()
    owner: str = ""
    shares: frozenset[str] = frozenset()
    denied_shares: frozenset[str] = frozenset()
    compartments: frozenset[str] = frozenset()

    def bound_to(self, tenant: str, document: str) -> Attributes:
        return Attributes(
            tenant=tenant,
            document=document,
            department=self.department,
            level=self.level,
            tags=self.tags,
            owner=self.owner,
            shares=self.shares,
            denied_shares=self.denied_shares,
            compartments=self.compartments,
        )


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Why a document has no attributes. Such a document is never indexed."""

    why: str


class SourceItem(Protocol):
    """One document of a source. `path` is its identity there: the same path is the same document."""

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def modified_ns(self) -> int: ...

    @property
    def labels(self) -> Labels | Unlabelled: ...

    def open(self) -> BinaryIO:
        """The document's bytes.

        Raises:
            OSError: it is gone, or is no longer what was listed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not a document, and why it was left alone. `reason` is a stable code."""

    path: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds, ordered by path. `notices` are sentences for the operator."""

    items: tuple[SourceItem, ...]
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()


class Source(Protocol):
    """A place documents come from."""

    @property
    def name(self) -> str:
        """Part of every document's identity; two places never share one."""
        ...

    def listing(self) -> Listing:
        """Everything there is now.

        Raises:
            Misuse: the place itself cannot be read. A source that cannot be read is never taken for an empty one.
        """
        ...
