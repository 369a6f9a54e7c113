"""What may be listed of an archive: names that are paths below it and nothing else. Standard library only."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

PATH_CHARS_MAX = 1024
DEPTH_MAX = 64
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\:]")
_LABEL_FILE = re.compile(r"\.?ringfence\.ya?ml", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. `index` is its place in the directory, `size` the claim there, and the most it gives."""

    index: int
    path: str = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Members:
    """What an archive holds. `skipped`: a printable name and a stable reason for each entry that is no document."""

    members: tuple[Member, ...]
    skipped: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def why_skipped(name: str) -> str | None:
    """Why an entry of this name is not read, as a stable code; None for a name that is a plain path."""
    parts = name.split("/")
    if _UNSAFE.search(name) or len(name) > PATH_CHARS_MAX or not all(part.strip(". ") for part in parts):
        # Absolute, climbing, empty and reserved parts, drive letters and separators of other systems.
        hidden = len(parts) > 1 and "__MACOSX" in parts
        return "hidden" if hidden else "unsafe_name"
    if any(part.startswith(".") for part in parts) or parts[0] == "__MACOSX":
        return "hidden"
    return "too_deep" if len(parts) > DEPTH_MAX else None


def is_label_file(name: str) -> bool:
    return _LABEL_FILE.fullmatch(PurePosixPath(name).name) is not None


def printable(name: str) -> str:
    return _UNSAFE.sub("?", name)[:PATH_CHARS_MAX]
