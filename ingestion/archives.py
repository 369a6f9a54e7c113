"""Archives of a source as folders: each member a document of its own, under the labels of the archive.

The archive is opened in a parser process, as everything hostile is; here only its listing is known. A member's path
is `ARCHIVE.zip/PATH`. An archive that cannot be read stands in the report with its reason, and its members are gone
from the source, unless it cannot be read for now: see `ingestion.unread`. An archive within an archive is one document.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol

from ingestion.doubled import told_apart
from ingestion.fetched import FetchedArchives
from ingestion.parse.document import Reason, Refused
from ingestion.parse.members import Member, Members
from ingestion.sources.protocol import (
    WITHIN,
    LabelledByPattern,
    Labels,
    Listing,
    Skipped,
    Source,
    SourceItem,
    SourcePlace,
    Unlabelled,
)
from rag.hidden_content import HiddenAction, HiddenKind

SUFFIX = ".zip"
_FOR_NOW = frozenset({Reason.UNREADABLE, Reason.TIMED_OUT, Reason.MEMORY})
"""What says nothing about the archive itself: the network was down, the machine was busy."""


class Archives(Protocol):
    """The part of a sandbox that opens archives."""

    def members(self, archive: BinaryIO) -> Members: ...

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class MemberItem:
    """A document in an archive: a `SourceItem`."""

    archive: SourceItem = field(repr=False)
    member: Member
    archives: Archives = field(repr=False)
    bytes_max: int
    fetched: FetchedArchives = field(repr=False, compare=False)

    @property
    def path(self) -> str:
        return f"{self.archive.path}/{self.member.path}"

    @property
    def identity(self) -> str:
        return f"{self.archive.identity}{WITHIN}{self.member.path}"

    @property
    def revision(self) -> str:
        return self.archive.revision and f"{self.archive.revision}/{self.member.index}"

    @property
    def size(self) -> int:
        return self.member.size

    @property
    def modified_ns(self) -> int:
        return self.archive.modified_ns

    @property
    def labels(self) -> Labels | Unlabelled:
        return _labels_within(self.archive, self.member.path)

    @property
    def hidden(self) -> Mapping[HiddenKind, HiddenAction]:
        return self.archive.hidden

    def open(self) -> BinaryIO:
        with self.fetched.file(self.archive) as file:
            return io.BytesIO(self.archives.member(file, self.member.index, self.bytes_max))


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An archive that cannot be listed, or one of its `member`s: it fails in the report, with the reason."""

    archive: SourceItem = field(repr=False)
    refusal: Refused
    member: str = field(default="", repr=False)

    @property
    def for_now(self) -> bool:
        """Whether it may hold what it held: the reason is none that lies in the archive."""
        return self.refusal.reason in _FOR_NOW

    @property
    def path(self) -> str:
        return f"{self.archive.path}/{self.member}" if self.member else self.archive.path

    @property
    def identity(self) -> str:
        return f"{self.archive.identity}{WITHIN}{self.member}" if self.member else self.archive.identity

    @property
    def revision(self) -> str:
        """None: what could not be read is tried again."""
        return ""

    @property
    def size(self) -> int:
        return self.archive.size

    @property
    def modified_ns(self) -> int:
        return self.archive.modified_ns

    @property
    def labels(self) -> Labels | Unlabelled:
        return _labels_within(self.archive, self.member) if self.member else self.archive.labels

    @property
    def hidden(self) -> Mapping[HiddenKind, HiddenAction]:
        return self.archive.hidden

    def open(self) -> BinaryIO:
        raise self.refusal


def unpacked(listing: Listing, archives: Archives, bytes_max: int) -> Listing:
    """The listing with archives replaced by what they hold. `bytes_max`: of an archive, and of each member."""
    if listing.unpacked:
        return listing
    items: list[SourceItem] = []
    skipped = list(listing.skipped)
    fetched = FetchedArchives(bytes_max)
    for item in listing.items:
        if not item.path.lower().endswith(SUFFIX):
            items.append(item)
            continue
        try:
            with fetched.file(item) as file:
                found = archives.members(file)
        except Refused as refusal:
            items.append(RefusedItem(item, refusal))
            continue
        except OSError as cause:
            items.append(RefusedItem(item, Refused(Reason.UNREADABLE, type(cause).__name__)))
            continue
        items.extend(MemberItem(item, member, archives, bytes_max, fetched) for member in found.members)
        skipped.extend(Skipped(f"{item.path}/{name}", reason) for name, reason in found.skipped)
        if not found.members:
            items.append(RefusedItem(item, Refused(Reason.EMPTY)))
    items = told_apart(items)
    items.sort(key=lambda item: item.path)
    skipped.sort(key=lambda one: one.path)
    return replace(listing, items=tuple(items), skipped=tuple(skipped), unpacked=True)


@dataclass(frozen=True, slots=True)
class UnpackedSource:
    """A source whose listings are unpacked already: for those that are kept and used more than once."""

    source: Source
    archives: Archives = field(repr=False)
    bytes_max: int

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def place(self) -> SourcePlace:
        return self.source.place

    def listing(self, since: str = "") -> Listing:
        return unpacked(self.source.listing(since), self.archives, self.bytes_max)


def _labels_within(archive: SourceItem, member: str) -> Labels | Unlabelled:
    labels = archive.labels
    if isinstance(labels, Unlabelled):
        return labels
    if isinstance(archive, LabelledByPattern) and archive.singles_out(member):
        # To merge the two would be a guess at what was meant; the looser of them would be a leak.
        return Unlabelled("a pattern under files: treats it otherwise than its archive; unpack the archive")
    return labels
