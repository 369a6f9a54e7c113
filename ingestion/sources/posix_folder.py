"""A folder whose owners, groups and access control lists say who may read: `kind: posix`.

`ringfence.yaml` files label the documents as in every folder, but whose they are and with whom they are shared comes
from the file system alone.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ingestion.sources.folder import FileItem, FolderSource, revision_of
from ingestion.sources.identities import Identities, Mapped
from ingestion.sources.posix_permissions import Access, InvalidAcl, access_of, permissions_of
from ingestion.sources.protocol import Labels, Listing, SourceItem, Unlabelled, unreadable
from rag.errors import Misuse

NEVER = "never"
"""How no file stands: it changed while its rights were read, so it is not given out in this run."""


class PosixFolderSource:
    """A folder on this machine. `searched_from` is the highest folder whose permissions count, `root` or above it.

    Raises `Misuse` where there is no such folder, or `searched_from` is not on the way to it.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        identities: Identities,
        *,
        everybody: str = "",
        searched_from: Path = Path("/"),
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._files = FolderSource(root, name, now_ns=now_ns)
        self.name = self._files.name
        self.place = self._files.place
        self._root = root.resolve()
        self._identities = identities
        self._everybody = everybody
        top = searched_from.resolve()
        if not self._root.is_relative_to(top):
            raise Misuse(f"searched_from of the source {name!r} is {top}, which is not above {self._root}.")
        self._above = [folder for folder in reversed(self._root.parents) if folder.is_relative_to(top)]

    def listing(self, since: str = "") -> Listing:
        found = self._files.listing()
        mapped = Mapped(self._identities)
        folders: dict[PurePosixPath, tuple[Access, ...]] = {}
        items: list[SourceItem] = []
        for item in found.items:
            if isinstance(item, FileItem) and (labelled := self._permitted(item, folders, mapped)) is not None:
                items.append(labelled)
        shared = any(isinstance(one.labels, Labels) and (one.labels.shares or one.labels.owner) for one in found.items)
        ignored = ("owner and shares in ringfence.yaml are not taken: the file system says who may read",)
        return replace(
            found, items=tuple(items), notices=(*found.notices, *(ignored if shared else ()), *mapped.notices())
        )

    def _permitted(
        self, item: FileItem, folders: dict[PurePosixPath, tuple[Access, ...]], mapped: Mapped
    ) -> FileItem | None:
        """The item under the permissions of this moment, or None where it is gone."""
        path = self._root / item.path
        try:
            before = path.lstat()
            access = access_of(path, before)
            status = path.lstat()
            way = self._way_to(PurePosixPath(item.path).parent, folders)
        except FileNotFoundError:
            return None
        except InvalidAcl as problem:
            return replace(item, labels=Unlabelled(str(problem)))
        except OSError as cause:
            what = f"The permissions of a file below {self._root}"
            raise unreadable(what, cause.strerror, check="that this user may search all its folders") from cause
        labels = mapped.labelled(item.labels, permissions_of(status.st_uid, access, way, self._everybody))
        # Rights that were set with other bytes than those that were listed are for those bytes.
        if not revision_of(before) == revision_of(status) == item.stood:
            return replace(item, labels=labels, stood=NEVER, revision="")
        return replace(item, labels=labels)

    def _way_to(self, folder: PurePosixPath, known: dict[PurePosixPath, tuple[Access, ...]]) -> tuple[Access, ...]:
        """The permissions of every folder from the highest that counts down to this one."""
        if folder not in known:
            here = self._root / folder
            own = access_of(here, os.lstat(here))
            if folder == PurePosixPath():
                above = tuple(access_of(place, place.lstat()) for place in self._above)
            else:
                above = self._way_to(folder.parent, known)
            known[folder] = (*above, own)
        return known[folder]
