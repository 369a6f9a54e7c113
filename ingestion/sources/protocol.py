"""What a source of documents is: it lists what there is and says how each document is labelled."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from policies.rules import Attributes, Level
from rag.errors import Unavailable
from rag.hidden_content import HiddenAction, HiddenKind

WITHIN = "\0"
"""Between the identity of an archive and the path of a member in it. No source has an identity that holds it."""


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
    """One document of a source."""

    @property
    def path(self) -> str:
        """Its name there, for people and for the parser; "/" between folders."""
        ...

    @property
    def identity(self) -> str:
        """By what the source knows it: the same identity is the same document. Its path, where nothing else is kept.

        A source that has identities of its own keeps a document across renames.
        """
        ...

    @property
    def revision(self) -> str:
        """Changes whenever the bytes do: a document of the revision at hand is not read. Empty: only reading tells."""
        ...

    @property
    def size(self) -> int: ...

    @property
    def modified_ns(self) -> int: ...

    @property
    def labels(self) -> Labels | Unlabelled: ...

    @property
    def hidden(self) -> Mapping[HiddenKind, HiddenAction]:
        """What the source says about hidden content of this document; the rest is `ingestion.hidden`'s to say."""
        ...

    def open(self) -> BinaryIO:
        """The document's bytes, of the revision that was listed: its labels are of that time.

        Raises:
            OSError: it is gone, or is no longer what was listed (`ChangedSinceListed`).
            Refused: it stands in an archive that cannot be read.
        """
        ...


@runtime_checkable
class LabelledByPattern(Protocol):
    """An item of a source whose patterns label single documents, which may stand in archives too."""

    def singles_out(self, member: str) -> bool:
        """Whether the source would treat this member of the archive otherwise than the archive itself."""
        ...


class ChangedSinceListed(OSError):
    """The document is no longer what was listed; the next run reads it with the labels of that time."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not a document, and why it was left alone. `reason` is a stable code."""

    path: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds, ordered by path. `notices` are sentences for the operator.

    A listing that is not `complete` holds only what is new since a cursor, in content, path or labels, and the
    identities of what was `removed`; everything else is as it was. `cursor` is where the next one may begin.
    """

    items: tuple[SourceItem, ...]
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()
    complete: bool = True
    removed: tuple[str, ...] = field(default=(), repr=False)
    cursor: str = ""
    unpacked: bool = False
    """Whether archives are replaced by what they hold."""
    _places: dict[str, dict[str, int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def chosen(self, documents: Collection[str], tenant: str, id_of: Callable[[SourceItem], str]) -> list[SourceItem]:
        """The items that are these documents, in order. `id_of` is asked once for each item and tenant."""
        if tenant not in self._places:
            # A large source is worked on in many parts, and each asks for a few.
            self._places[tenant] = {id_of(item): place for place, item in enumerate(self.items)}
        places = self._places[tenant]
        return [self.items[place] for place in sorted(places[one] for one in documents if one in places)]


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """Where a source lists from: equal for the same place, however it is written, and another one for another.

    `shown` is for the operator, and kept: without a secret, and without whose `account` it is asked with, where that
    decides what is listed.
    """

    shown: str
    account: str = field(default="", repr=False)

    @classmethod
    def of_path(cls, path: Path, beside: str = "") -> "SourcePlace":
        """As it was written: a link that is turned to the next release stays one place."""
        return cls(os.path.abspath(path) + beside)  # noqa: PTH100 - Path.resolve follows links


class Source(Protocol):
    """A place documents come from."""

    @property
    def name(self) -> str:
        """Part of every document's identity; two places never share one."""
        ...

    @property
    def place(self) -> SourcePlace: ...

    def listing(self, since: str = "") -> Listing:
        """Everything there is now, or, from a source that can tell, what is new `since` the cursor of a listing.

        What a source says of one document's readers, it said of the revision that it is listed with: else rights that
        were given for other content could reach this one.

        Raises:
            Unavailable: the place itself cannot be read, code `source_unreadable`. A source that cannot be read is
                never taken for an empty one.
        """
        ...


def unreadable(what: str, why: object, *, check: str) -> Unavailable:
    """The error of every source that cannot be read. `what` says where it is, `why` never holds a secret, and `check`
    says what the operator is to look at."""
    return Unavailable(f"{what} cannot be read ({why}); nothing was changed. Check {check}.", code="source_unreadable")
