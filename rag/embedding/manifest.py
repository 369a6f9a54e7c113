"""What a model folder must consist of, byte for byte: checked before anything in it is opened by a library.

`python -m rag.embedding.manifest FOLDER NAME` writes a folder's manifest and prints the digest to configure.
"""

import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.domain import digest_of
from rag.errors import Damaged, Misuse

FILE_NAME = "ringfence-manifest.json"
_HARMLESS = {".json", ".txt", ".md", ".model", ".safetensors"}
"""What a model needs. Anything else (pickles above all) can run code when it is loaded."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` maps each path below the folder, with forward slashes, to the SHA-256 of its bytes."""

    name: str
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One number for the whole model."""
        parts = [part for path, sha256 in sorted(self.files.items()) for part in (path, sha256)]
        return digest_of(parts).hex()

    def verify(self, folder: Path) -> None:
        """Return if `folder` holds exactly these files.

        Raises:
            Damaged: a file is missing, differs, or should not be there; the message names it.
        """
        found = _paths(folder)
        for path in sorted(self.files.keys() | found):
            if path not in found:
                raise self._damaged(folder, path, "is missing")
            if path not in self.files:
                raise self._damaged(folder, path, "is not in its manifest")
            if _sha256(folder / path) != self.files[path]:
                raise self._damaged(folder, path, "is not what its manifest says")

    def _damaged(self, folder: Path, path: str, problem: str) -> Damaged:
        return Damaged(
            f"{path} of the model {self.name} in {folder} {problem}. Nothing was loaded; install the model again."
        )


def read_manifest(raw: bytes, source: str) -> Manifest:
    """Parse a manifest.

    Raises:
        Damaged: not a manifest, or one that lists no safetensors file or a file that could run code.
    """
    try:
        data: Any = json.loads(raw)
        manifest = Manifest(str(data["name"]), {str(path): str(sha) for path, sha in data["files"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise Damaged(f"{source} is not a model manifest.") from cause
    _refuse_code(manifest.files.keys(), source)
    return manifest


def folder_manifest(folder: Path, sha256: str | None, *, setting: str = "RINGFENCE_EMBEDDING__SHA256") -> Manifest:
    """The manifest that lies in a configured folder, once its own digest is what the setting of this name says.

    Raises:
        Misuse: no digest is configured, or the folder has no manifest.
        Damaged: the manifest is another one than configured.
    """
    path = folder / FILE_NAME
    how = f"Run `python -m rag.embedding.manifest {folder} NAME` and configure the digest it prints."
    if not sha256:
        raise Misuse(f"The model folder {folder} needs {setting}. {how}", code="bad_settings")
    try:
        raw = path.read_bytes()
    except OSError as cause:
        raise Misuse(f"The model folder {folder} has no readable {FILE_NAME}. {how}", code="bad_settings") from cause
    if hashlib.sha256(raw).hexdigest() != sha256.lower():
        raise Damaged(f"{FILE_NAME} in {folder} is not the one that {setting} names.")
    return read_manifest(raw, str(path))


def loading_options() -> dict[str, Any]:
    """How sentence-transformers loads a verified folder: no network, no code and no pickles of a model's own."""
    return {
        "device": "cpu",
        "local_files_only": True,
        "trust_remote_code": False,
        "model_kwargs": {"use_safetensors": True},
    }


def write_manifest(folder: Path, name: str) -> str:
    """Write the manifest of what lies in `folder` now; return the digest to configure."""
    paths = _paths(folder)
    _refuse_code(paths, str(folder))
    files = {path: _sha256(folder / path) for path in sorted(paths)}
    raw = json.dumps({"name": name, "files": files}, indent=2).encode() + b"\n"
    (folder / FILE_NAME).write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def _refuse_code(paths: Collection[str], source: str) -> None:
    for path in sorted(paths):
        if Path(path).suffix not in _HARMLESS and Path(path).name != ".gitattributes":
            raise Damaged(f"{source}: {path} is of a kind that a model does not need and that may run code.")
    if not any(path.endswith(".safetensors") for path in paths):
        raise Damaged(f"{source}: there is no .safetensors file; no other weights are loaded.")


def _paths(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return {path.relative_to(folder).as_posix() for path in found} - {FILE_NAME}


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as cause:
        raise Damaged(f"{path} cannot be read ({cause.strerror}).") from cause


if __name__ == "__main__":
    sys.stdout.write(write_manifest(Path(sys.argv[1]), sys.argv[2]) + "\n")
