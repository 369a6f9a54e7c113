"""Which names of a source are taken: one rule for every kind, whoever chose the name."""

import re
from pathlib import PurePosixPath

from ingestion.sources.labels import LABEL_FILE, InvalidLabels

DEPTH_MAX = 64
PATH_CHARS_MAX = 1024
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

LEFT_OUT = {
    "unsafe_name": f"its name is no plain path, or longer than {PATH_CHARS_MAX}; rename it",
    "too_deep": f"it stands in more than {DEPTH_MAX} folders",
    "duplicate": "another file in its archive has the same name",
}
"""What a code means where a file that may well be a document is not read, for its name alone."""

_MISNAMED = re.compile(r"\.?ringfence\.ya?ml", re.IGNORECASE)
"""What people write for `ringfence.yaml`: taken for a document, it would leave its folder under looser labels."""


def name_reason(folder: PurePosixPath, name: str) -> str | None:
    """Why an entry of a folder is left alone by its name, or None. A stable code."""
    if name.startswith("."):
        return "hidden"
    if not name or "/" in name or _UNSAFE.search(name) or len(str(folder / name)) > PATH_CHARS_MAX:
        return "unsafe_name"
    return None


def path_reason(path: str) -> str | None:
    """The same for a whole path that a source gives as one text, such as the key of an object."""
    parts = path.split("/")
    if len(path) > PATH_CHARS_MAX or _UNSAFE.search(path) or any(part in ("", ".", "..") for part in parts):
        return "unsafe_name"
    if any(part.startswith(".") for part in parts):
        return "hidden"
    return "too_deep" if len(parts) > DEPTH_MAX else None


def misnamed_label_file(folder: PurePosixPath, names: list[str]) -> InvalidLabels | None:
    """What unlabels a folder that has a label file under a name that labels nothing."""
    found = [name for name in names if _MISNAMED.fullmatch(name) and name != LABEL_FILE]
    return InvalidLabels(f"{folder / found[0]} labels nothing under this name: call it {LABEL_FILE}") if found else None


def printable(path: str | PurePosixPath) -> str:
    return _UNSAFE.sub("?", str(path))[:PATH_CHARS_MAX]
