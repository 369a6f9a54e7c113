"""A mailbox in one file (RFC 4155): `kind: mbox`. Each message is a document of its own.

Places in the file move when a message is removed, and a Message-ID is whatever the sender wrote, so a message is known
by its bytes: a changed one is another document, and copies are told apart by their number. It is handed out as it was
sent, without the quoting of the file.
"""

import hashlib
import io
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ingestion.parse.mailboxes import begins, unquoted
from ingestion.sources.configured import ConfiguredLabels
from ingestion.sources.folder import TRIES, revision_of
from ingestion.sources.labels import LabelFile
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing, SourcePlace, Unlabelled, unreadable
from policies.rules import plain_name
from rag.errors import Unavailable
from rag.hidden_content import HiddenAction, HiddenKind

LINE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of the file, without its separator line: a `SourceItem`."""

    file: Path = field(repr=False)
    path: str
    start: int
    size: int
    digest: str
    modified_ns: int
    labels: Labels | Unlabelled
    hidden: Mapping[HiddenKind, HiddenAction] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        return self.path

    @property
    def revision(self) -> str:
        return self.digest

    def open(self) -> BinaryIO:
        with self.file.open("rb") as file:
            file.seek(self.start)
            data = file.read(self.size)
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise ChangedSinceListed("the mailbox was written after it was listed")
        return io.BytesIO(unquoted(data))


class MboxSource:
    """The messages of one file, labelled by the configuration."""

    def __init__(self, name: str, file: Path, labels: LabelFile) -> None:
        self.name = plain_name(name, "source")
        self.place = SourcePlace.of_path(file)
        self._file = file
        self._labels = labels

    def listing(self, since: str = "") -> Listing:
        """See `Source`.

        Raises:
            Unavailable: also where the file is written faster than it can be read (`source_changing`): what a half of
                it lacks was not removed.
        """
        try:
            for _ in range(TRIES):
                if (listed := self._listed()) is not None:
                    return listed
        except (OSError, ValueError) as cause:
            what = f"The mailbox {self._file} of the source {self.name!r}"
            raise unreadable(what, cause, check="that it is there, a mailbox, and readable to this user") from cause
        raise Unavailable(
            f"The mailbox of the source {self.name!r} was written each time it was listed; nothing was changed. "
            "Try again.",
            code="source_changing",
        )

    def _listed(self) -> Listing | None:
        """None where the file was written, or another one put in its place, meanwhile."""
        configured = ConfiguredLabels(self._labels)
        items: list[StoredMessage] = []
        copies: Counter[str] = Counter()
        with self._file.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is not a file")
            found = list(_messages(file))
            if revision_of(self._file.stat()) != revision_of(status):
                return None
        for start, size, digest in found:
            copies[digest] += 1
            number = f"-{copies[digest]}" if copies[digest] > 1 else ""
            path = f"{digest[:32]}{number}.eml"
            labels, hidden = configured.of(path)
            items.append(StoredMessage(self._file, path, start, size, digest, status.st_mtime_ns, labels, hidden))
        items.sort(key=lambda item: item.path)
        return Listing(tuple(items), notices=configured.notices())


def _messages(file: BinaryIO) -> Iterator[tuple[int, int, str]]:
    """Start, size and digest of each message, in the order of the file.

    Raises `ValueError` for a file that is no mailbox: read as an empty one, it would remove its documents.
    """
    begun: int | None = None
    end = 0
    digest = hashlib.sha256()
    held = b""  # the empty line before a separator belongs to neither message
    after_empty = True
    following = file.readline(LINE_BYTES_MAX)
    while line := following:
        following = file.readline(LINE_BYTES_MAX)
        if after_empty and (begins(line, following) or (begun is None and line.startswith(b"From "))):
            if begun is not None:
                yield begun, end - begun, digest.hexdigest()
            begun = end = file.tell() - len(following)
            digest, held, after_empty = hashlib.sha256(), b"", False
            continue
        if begun is None:
            raise ValueError("it does not begin as a mailbox does")
        empty = line in (b"\n", b"\r\n")
        digest.update(held)
        end += len(held)
        held = line if empty else b""
        if not empty:
            digest.update(line)
            end += len(line)
        after_empty = empty
    if begun is not None:
        yield begun, end - begun, digest.hexdigest()
