"""Places in the file system: folders with and without permissions of their own, and a Git repository."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dulwich import porcelain
from dulwich.objects import Blob
from dulwich.repo import Repo

from ingestion.sources.folder import FolderSource
from ingestion.sources.git import GitSource
from ingestion.sources.identities import Identities
from ingestion.sources.posix_folder import PosixFolderSource
from ingestion.sources.protocol import Labels, Source
from policies.rules import Level
from tests.contracts.source_place import ANN, Place

LATER_NS = 3600 * 10**9
LABELS = "department: company\nlevel: internal\n"
_AUTHOR = b"Ann <ann@acme.example>"


class FolderPlace:
    secrets: tuple[str, ...] = ()
    keeps_identity = False
    rights_move_revision = False
    moves = True
    names = True

    def path(self, name: str) -> str:
        return name

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "ringfence.yaml").write_text(LABELS)
        self.source: Source = FolderSource(root, "docs", now_ns=self.later)

    def opened_again(self) -> Source:
        return FolderSource(Path(os.path.relpath(self.root)), "docs")

    def elsewhere(self) -> Source:
        (self.root / "within").mkdir()
        return FolderSource(self.root / "within", "docs")

    @staticmethod
    def later() -> int:
        """Files that were written a moment ago have settled by then."""
        return time.time_ns() + LATER_NS

    def write(self, path: str, content: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content)

    def rename(self, path: str, to: str) -> None:
        (self.root / path).rename(self.root / to)

    def delete(self, path: str) -> None:
        (self.root / path).unlink()

    def restrict(self, path: str) -> None:
        (self.root / "ringfence.yaml").write_text(f"{LABELS}files:\n  {path!r}: {{level: secret}}\n")

    def restricted(self, labels: Labels) -> bool:
        return labels.level is Level.SECRET

    def write_hostile(self) -> set[str]:
        (self.root / "line\nbreak.txt").write_text("x")
        (self.root / ".hidden.txt").write_text("x")
        (self.root / "link.txt").symlink_to("/etc/hostname")
        return {"line?break.txt", ".hidden.txt", "link.txt"}

    def breaks(self) -> None:
        self.root.rename(self.root.with_name("unmounted"))


class PosixPlace(FolderPlace):
    rights_move_revision = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        root.chmod(0o755)
        self.source = self._opened(root)

    def _opened(self, root: Path) -> Source:
        identities = Identities(users={str(os.getuid()): ANN}, groups={str(os.getgid()): "group:staff"})
        return PosixFolderSource(root, "docs", identities, searched_from=self.root, now_ns=self.later)

    def opened_again(self) -> Source:
        return self._opened(self.root / ".." / self.root.name)

    def elsewhere(self) -> Source:
        (self.root / "within").mkdir()
        return self._opened(self.root / "within")

    def write(self, path: str, content: str) -> None:
        super().write(path, content)
        (self.root / path).chmod(0o640)

    def restrict(self, path: str) -> None:
        (self.root / path).chmod(0o600)

    def restricted(self, labels: Labels) -> bool:
        return labels.owner == ANN and not labels.shares


class GitPlace(FolderPlace):
    """Each change is committed and reaches the bare repository that the source reads."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._work = Repo.init(str(root), default_branch=b"main")
        self._bare = root.with_name("bare.git")
        self._bare.mkdir()
        Repo.init_bare(str(self._bare)).close()
        self.source = GitSource(self._bare, "docs", reference="main")
        self._commit()

    def opened_again(self) -> Source:
        return GitSource(self._bare / ".." / self._bare.name, "docs", reference="main")

    def elsewhere(self) -> Source:
        return GitSource(self._bare, "docs", reference="other")

    def _commit(self) -> None:
        porcelain.add(self._work, [str(path) for path in self.root.iterdir() if path.name != ".git"])
        self._publish(porcelain.commit(self._work, b"a change", author=_AUTHOR, committer=_AUTHOR, all=True))

    def _publish(self, commit: bytes) -> None:
        with Repo(str(self._bare)) as bare:
            self._work.fetch(bare, determine_wants=lambda refs, depth=None: [commit])
            bare.refs[b"refs/heads/main"] = commit

    def write(self, path: str, content: str) -> None:
        super().write(path, content)
        self._commit()

    def rename(self, path: str, to: str) -> None:
        super().rename(path, to)
        self._commit()

    def delete(self, path: str) -> None:
        super().delete(path)
        self._commit()

    def restrict(self, path: str) -> None:
        super().restrict(path)
        self._commit()

    def write_hostile(self) -> set[str]:
        """Trees as no Git program writes them."""
        store = self._work.object_store
        blob = Blob.from_string(b"x")
        tree = self._work[self._work[self._work.head()].tree]
        for name, mode in ((b"..", 0o100644), (b"x/../y.txt", 0o100644), (b"\xff.txt", 0o100644), (b"l.txt", 0o120000)):
            tree.add(name, mode, blob.id)
        tree.add(b"module", 0o160000, b"1" * 40)
        commit = self._work[self._work.head()]
        commit.tree = tree.id
        for one in (blob, tree, commit):
            store.add_object(one)
        self._publish(commit.id)
        return {"..", "x/../y.txt", "?.txt", "l.txt", "module"}

    def breaks(self) -> None:
        for pack in [*self._bare.glob("objects/pack/*.pack"), *self._bare.glob("objects/??/*")]:
            pack.unlink()

    def close(self) -> None:
        self._work.close()


@contextmanager
def git_place(tmp_path: Path) -> Iterator[Place]:
    place = GitPlace(tmp_path / "docs")
    yield place
    place.close()


@contextmanager
def folder_place(tmp_path: Path) -> Iterator[Place]:
    yield FolderPlace(tmp_path / "docs")


@contextmanager
def posix_place(tmp_path: Path) -> Iterator[Place]:
    yield PosixPlace(tmp_path / "docs")
