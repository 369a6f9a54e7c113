"""A folder on disk as a source. Links are never followed, and nothing outside the folder is ever opened."""

import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ingestion.sources.labels import (
    LABEL_FILE,
    LABEL_FILE_BYTES_MAX,
    Chain,
    FolderLabels,
    InvalidLabels,
    hidden_for,
    labels_for,
    parse_label_file,
    singled_out,
)
from ingestion.sources.names import DEPTH_MAX, misnamed_label_file, name_reason, printable
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing, Skipped, SourcePlace, Unlabelled, unreadable
from policies.rules import plain_name
from rag.domain import digest_of
from rag.errors import Misuse, Unavailable
from rag.hidden_content import HiddenAction, HiddenKind

SETTLED_NS = 10 * 10**9
"""A file written more recently than this may be written once more within one tick of its clock: it is read again."""
TRIES = 3
"""How often the folder is listed until its label files stayed as they were meanwhile."""

Written = bytes | str | None
"""The label file of one folder: its bytes, why it cannot be used, or None where there is none."""


@dataclass(frozen=True, slots=True)
class FileItem:
    """A regular file below the root. `path` uses forward slashes and is relative to the root."""

    root: Path
    path: str = field(repr=False)
    size: int
    modified_ns: int
    labels: Labels | Unlabelled
    stood: str
    """`revision_of` the file when it got its labels. It is opened only while it is that: they are for no other."""
    hidden: Mapping[HiddenKind, HiddenAction] = field(default_factory=dict)
    revision: str = ""
    chain: Chain = field(default=(), repr=False)
    """The label files that gave its labels, root first."""

    @property
    def identity(self) -> str:
        """A file that is renamed is another document: the number of a file is used again after it."""
        return self.path

    def singles_out(self, member: str) -> bool:
        return singled_out(PurePosixPath(self.path), member, self.chain)

    def open(self) -> BinaryIO:
        file = _open_below(self.root, self.path)
        if revision_of(os.fstat(file.fileno())) != self.stood:
            # Written, put in its place, or given other rights: the labels at hand are of the time of the listing.
            file.close()
            raise ChangedSinceListed("the file was changed after it was listed")
        return file


class FolderSource:
    """A folder whose `ringfence.yaml` files label what lies below them.

    Raises `Misuse` where there is no such folder.
    """

    def __init__(self, root: Path, name: str | None = None, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._root = root.resolve()
        self._now_ns = now_ns
        self.name = plain_name(name, "source") if name else default_name(self._root)
        self.place = SourcePlace.of_path(root)
        if not self._root.is_dir():
            raise Misuse(
                f"{self._root} is not a folder that can be read; nothing was changed.", code="source_unreadable"
            )

    def listing(self, since: str = "") -> Listing:
        """See `Source`. Labels are those of the end of the listing: a file that was written after it is not opened.

        Raises:
            Unavailable: also where label files are written faster than the folder can be listed (`source_changing`).
        """
        for _ in range(TRIES):
            written: dict[PurePosixPath, Written] = {}
            listed = self._listed(written)
            if all(self._is_still(folder, was) for folder, was in written.items()):
                return listed
        raise Unavailable(
            f"The label files of the source {self.name!r} are changing too fast for its documents to be listed under "
            "them; nothing was changed. Try again.",
            code="source_changing",
        )

    def _listed(self, written: dict[PurePosixPath, Written]) -> Listing:
        """One walk. `written` gathers the label file of each folder, which labelled what was looked at after it."""
        settled = self._now_ns() - SETTLED_NS
        items: list[FileItem] = []
        skipped: list[Skipped] = []
        notices: list[str] = []
        read: list[FolderLabels] = []
        for folder, chain, entries in self._folders(skipped, read, written):
            for entry in entries:
                path = folder / entry.name
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed a moment ago
                labels, hidden = labels_for(path, chain), hidden_for(path, chain)
                stood = revision_of(status)
                revision = stood if status.st_ctime_ns < settled else ""
                size, modified_ns = status.st_size, status.st_mtime_ns
                items.append(FileItem(self._root, str(path), size, modified_ns, labels, stood, hidden, revision, chain))
            if chain and isinstance(chain[-1], InvalidLabels):
                notices.append(str(chain[-1]))
        for own in read:
            place = own.folder / LABEL_FILE
            notices.extend(f"{place}: the pattern {unused!r} under files: matches nothing" for unused in own.unused)
        items.sort(key=lambda item: item.path)
        skipped.sort(key=lambda one: one.path)
        return Listing(tuple(items), tuple(skipped), tuple(dict.fromkeys(notices)))

    def _folders(
        self, skipped: list[Skipped], read: list[FolderLabels], written: dict[PurePosixPath, Written]
    ) -> Iterator[tuple[PurePosixPath, Chain, list[os.DirEntry[str]]]]:
        """Every folder with its label files, root first, and the regular files directly in it.

        What is not a document goes into `skipped`, each usable label file into `read`.
        """
        waiting: list[tuple[PurePosixPath, Chain]] = [(PurePosixPath(), ())]
        while waiting:
            folder, chain = waiting.pop()
            try:
                with os.scandir(self._root / folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as cause:
                # Not known to be empty: taking it for empty would remove its documents.
                what = f"The folder {self._root / folder}"
                raise unreadable(what, cause.strerror, check="that this user may read and search it") from cause
            written[folder] = self._written(folder, [entry.name for entry in entries])
            own = _labels(folder, written[folder])
            if own is not None:
                chain = (*chain, own)
            if isinstance(own, FolderLabels):
                read.append(own)
            files: list[os.DirEntry[str]] = []
            for entry in entries:
                reason = _skip_reason(entry, folder)
                if reason is not None:
                    skipped.append(Skipped(printable(folder / entry.name), reason))
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append((folder / entry.name, chain))
                elif entry.name != LABEL_FILE:
                    files.append(entry)
            yield folder, chain, files

    def _written(self, folder: PurePosixPath, names: list[str]) -> Written:
        if (misnamed := misnamed_label_file(folder, names)) is not None:
            return str(misnamed)
        if LABEL_FILE not in names:
            return None
        name = str(folder / LABEL_FILE)
        try:
            with _open_below(self._root, name) as file:
                return file.read(LABEL_FILE_BYTES_MAX + 1)
        except OSError as cause:
            return f"{name} cannot be read: {cause.strerror}"

    def _is_still(self, folder: PurePosixPath, was: Written) -> bool:
        """Whether the label file is what it was when it was read. Bytes are compared: times have ticks."""
        try:
            names = sorted(entry.name for entry in (self._root / folder).iterdir())
            return self._written(folder, names) == was
        except OSError:
            return False  # it is gone, or is not to be read any more; the next walk says which


def _labels(folder: PurePosixPath, written: Written) -> FolderLabels | InvalidLabels | None:
    if isinstance(written, str):
        return InvalidLabels(written)
    try:
        return None if written is None else FolderLabels(folder, parse_label_file(written, str(folder / LABEL_FILE)))
    except InvalidLabels as problem:
        return problem


def default_name(root: Path) -> str:
    """The folder's name and a digest of its place: two folders never pass for one source."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", root.name).strip("-._")[:64] or "folder"
    return f"{readable}-{digest_of([str(root)]).hex()[:8]}"


def revision_of(status: os.stat_result) -> str:
    """The time of change stands in it, which no one can set back as the time of writing can be."""
    return f"{status.st_dev}-{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _skip_reason(entry: os.DirEntry[str], folder: PurePosixPath) -> str | None:
    if entry.name.startswith("."):
        return "hidden"
    if entry.is_symlink():
        return "symlink"
    if (reason := name_reason(folder, entry.name)) is not None:
        return reason
    if entry.is_dir(follow_symlinks=False):
        return "too_deep" if len(folder.parts) >= DEPTH_MAX else None
    return None if entry.is_file(follow_symlinks=False) else "special_file"


def _open_below(root: Path, path: str) -> BinaryIO:
    """Open a regular file step by step, refusing a link at every step: what was listed may have been swapped."""
    *folders, name = PurePosixPath(path).parts
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        # Without O_NONBLOCK a named pipe put in the file's place would hold us for ever.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise OSError(f"{name} is not a regular file any more")
    return file
