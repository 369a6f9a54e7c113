"""A Git repository at one reference: `kind: git`. Bare or with a working tree; the tree is read from the objects.

What is committed is the document: no working tree, no hook, no filter and no submodule is looked at. A blob's id is its
revision, so a run reads what the commits since the last one changed, and nothing else. Git knows no renames, only
guesses them: a file that is renamed is another document.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from ingestion.sources.git_lfs import ATTRIBUTES, is_pointer, names_lfs
from ingestion.sources.git_sizes import BROKEN, size_of
from ingestion.sources.labels import (
    LABEL_FILE,
    Chain,
    FolderLabels,
    InvalidLabels,
    LabelFile,
    hidden_for,
    labels_for,
    parse_label_file,
    singled_out,
)
from ingestion.sources.names import DEPTH_MAX, misnamed_label_file, name_reason, printable
from ingestion.sources.protocol import Labels, Listing, Skipped, SourcePlace, Unlabelled, unreadable
from policies.rules import plain_name
from rag.hidden_content import HiddenAction, HiddenKind

ENTRIES_MAX = 1_000_000
"""A few small objects can name each other into a tree without end."""

_FOLDER, _LINK, _SUBMODULE = 0o040000, 0o120000, 0o160000


@dataclass(frozen=True, slots=True)
class BlobItem:
    """A file of a commit: a `SourceItem`. It never changes."""

    repository: Path = field(repr=False)
    path: str = field(repr=False)
    revision: str
    modified_ns: int
    labels: Labels | Unlabelled
    hidden: Mapping[HiddenKind, HiddenAction] = field(default_factory=dict)
    chain: Chain = field(default=(), repr=False)

    @property
    def identity(self) -> str:
        return self.path

    def singles_out(self, member: str) -> bool:
        return singled_out(PurePosixPath(self.path), member, self.chain)

    @property
    def size(self) -> int:
        """From the head of the object; 0 where it cannot be read, and then `open` says so."""
        try:
            with Repo(str(self.repository)) as repo:
                return size_of(repo.object_store, self._sha)
        except BROKEN:
            return 0

    def open(self) -> BinaryIO:
        try:
            with Repo(str(self.repository)) as repo:
                # Without a known size it is not inflated: it may be of any.
                size = size_of(repo.object_store, self._sha)
                data = _blob(repo, self._sha)
        except BROKEN as cause:
            raise OSError(f"the object {self.revision} cannot be read") from cause
        if len(data) != size:
            raise OSError(f"the object {self.revision} is not of the size that it says")
        return io.BytesIO(data)

    @property
    def _sha(self) -> ObjectID:
        return ObjectID(self.revision.encode())


class GitSource:
    """The files of `reference` (a branch, a tag, or a full name such as `refs/heads/main`; empty: HEAD).

    They are labelled by the `ringfence.yaml` files of the same commit, or, where `labels` are given, by those alone:
    then who may commit cannot label.
    """

    def __init__(self, repository: Path, name: str, *, reference: str = "", labels: LabelFile | None = None) -> None:
        self._path = repository
        self._reference = reference
        self._labels = labels
        self.name = plain_name(name, "source")
        self.place = SourcePlace.of_path(repository, f" at {reference or 'HEAD'}")

    def listing(self, since: str = "") -> Listing:
        with self._opened() as repo:
            commit = self._commit(repo)
            found = _Found(self._path, commit.commit_time * 10**9)
            chain: Chain = () if self._labels is None else (FolderLabels(PurePosixPath(), self._labels),)
            for folder, links, blobs in self._folders(repo, commit.tree, chain, found):
                for name, blob in blobs.items():
                    if found.large_files and is_pointer(repo, blob):
                        found.skip(folder / name, "lfs_pointer")
                    else:
                        found.add(folder / name, blob, links)
        return found.listing()

    @contextmanager
    def _opened(self) -> Iterator[Repo]:
        try:
            with Repo(str(self._path)) as repo:
                yield repo
        except BROKEN as cause:
            what, why = f"The Git repository {self._path}", f"{type(cause).__name__}: {cause}"
            raise unreadable(what, why, check="that it is there, whole, and readable to this user") from cause

    def _commit(self, repo: Repo) -> Commit:
        names = [f"refs/heads/{self._reference}", f"refs/tags/{self._reference}", self._reference]
        for name in names if self._reference else ["HEAD"]:
            if (name == "HEAD" or name.startswith("refs/")) and Ref(name.encode()) in repo.refs:
                found = repo[repo.refs[Ref(name.encode())]]
                while isinstance(found, Tag):
                    found = repo[found.object[1]]
                if isinstance(found, Commit):
                    return found
        raise ValueError(f"it has no commit at {self._reference or 'HEAD'}")

    def _folders(
        self, repo: Repo, root: ObjectID, chain: Chain, found: "_Found"
    ) -> Iterator[tuple[PurePosixPath, Chain, dict[str, ObjectID]]]:
        """Every folder with its label files, root first, and the files directly in it."""
        waiting: list[tuple[PurePosixPath, ObjectID, Chain]] = [(PurePosixPath(), root, chain)]
        while waiting:
            folder, tree_id, links = waiting.pop()
            tree = repo[tree_id]
            if not isinstance(tree, Tree):
                raise ValueError(f"{folder} is no tree")
            entries = {_name(entry.path): (entry.mode, entry.sha) for entry in tree.iteritems()}
            found.count(len(entries))
            if self._labels is None and (own := _label_file(repo, folder, entries)) is not None:
                links = (*links, own)
                found.label_file(own)
            if ATTRIBUTES in entries and not found.large_files:
                found.large_files = names_lfs(repo, entries[ATTRIBUTES][1])
            blobs: dict[str, ObjectID] = {}
            for name, (mode, sha) in entries.items():
                if (reason := _skip_reason(folder, name, mode)) is not None:
                    found.skip(folder / name, reason)
                elif mode == _FOLDER:
                    waiting.append((folder / name, sha, links))
                elif name != LABEL_FILE:
                    blobs[name] = sha
            yield folder, links, blobs


class _Found:
    """What a walk has gathered so far."""

    def __init__(self, repository: Path, modified_ns: int) -> None:
        self._repository = repository
        self._modified_ns = modified_ns
        self._items: list[BlobItem] = []
        self._skipped: list[Skipped] = []
        self._notices: list[str] = []
        self._entries = 0
        self.large_files = False
        """Whether a folder that was walked may have files in Git LFS: else no small file is looked at for that."""

    def add(self, path: PurePosixPath, blob: ObjectID, links: Chain) -> None:
        labels, hidden = labels_for(path, links), hidden_for(path, links)
        self._items.append(
            BlobItem(self._repository, str(path), blob.decode(), self._modified_ns, labels, hidden, links)
        )

    def skip(self, path: PurePosixPath, reason: str) -> None:
        self._skipped.append(Skipped(printable(path), reason))

    def count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > ENTRIES_MAX:
            raise ValueError(f"its tree has more than {ENTRIES_MAX} entries")

    def label_file(self, own: FolderLabels | InvalidLabels) -> None:
        if isinstance(own, InvalidLabels):
            self._notices.append(str(own))

    def listing(self) -> Listing:
        self._items.sort(key=lambda item: item.path)
        self._skipped.sort(key=lambda one: one.path)
        return Listing(tuple(self._items), tuple(self._skipped), tuple(self._notices))


def _name(raw: bytes) -> str:
    """A name that is not UTF-8 keeps surrogates, for which it is skipped as unsafe."""
    return raw.decode("utf-8", "surrogateescape")


def _skip_reason(folder: PurePosixPath, name: str, mode: int) -> str | None:
    if (reason := name_reason(folder, name)) is not None:
        return reason
    if mode == _LINK:
        return "symlink"
    if mode == _SUBMODULE:
        return "submodule"
    return "too_deep" if mode == _FOLDER and len(folder.parts) >= DEPTH_MAX else None


def _label_file(
    repo: Repo, folder: PurePosixPath, entries: Mapping[str, tuple[int, ObjectID]]
) -> FolderLabels | InvalidLabels | None:
    misnamed = misnamed_label_file(folder, list(entries))
    if misnamed is not None or LABEL_FILE not in entries:
        return misnamed
    mode, sha = entries[LABEL_FILE]
    name = str(folder / LABEL_FILE)
    if mode in (_FOLDER, _LINK, _SUBMODULE):
        return InvalidLabels(f"{name} is not a file")
    try:
        return FolderLabels(folder, parse_label_file(_blob(repo, sha), name))
    except InvalidLabels as problem:
        return problem


def _blob(repo: Repo, sha: ObjectID) -> bytes:
    blob = repo[sha]
    if not isinstance(blob, Blob):
        raise ValueError(f"{sha.decode()} is no file")
    return bytes(blob.data)
