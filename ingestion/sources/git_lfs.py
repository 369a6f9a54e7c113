"""Files of a repository that Git LFS keeps elsewhere: what is committed only points there, and is no document.

Source: the specification of Git LFS, "The Pointer": its first line, and how large it is at most.
"""

from dulwich.objects import Blob, ObjectID
from dulwich.repo import Repo

from ingestion.sources.git_sizes import BROKEN, size_of

ATTRIBUTES = ".gitattributes"
ATTRIBUTES_BYTES_MAX = 1 << 20
POINTER_BYTES_MAX = 1024
_POINTER, _LFS = b"version https://git-lfs.github.com/spec/", b"lfs"


def is_pointer(repo: Repo, sha: ObjectID) -> bool:
    """One that cannot be read says so when it is opened."""
    try:
        return size_of(repo.object_store, sha) <= POINTER_BYTES_MAX and _data(repo, sha).startswith(_POINTER)
    except BROKEN:
        return False


def names_lfs(repo: Repo, attributes: ObjectID) -> bool:
    """Whether files may be in Git LFS by these attributes; so it is with those that cannot be read."""
    try:
        return size_of(repo.object_store, attributes) > ATTRIBUTES_BYTES_MAX or _LFS in _data(repo, attributes)
    except BROKEN:
        return True


def _data(repo: Repo, sha: ObjectID) -> bytes:
    blob = repo[sha]
    return bytes(blob.data) if isinstance(blob, Blob) else b""
