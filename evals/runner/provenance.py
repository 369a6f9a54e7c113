"""Digests of what a run stands on: models, prompts, data sets, the sample company and the epoch of its policy."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from evals.runner.values import Json
from rag.domain import digest_of
from rag.embedding.locate import locate
from rag.generation.messages import load_prompts
from rag.privacy.model import MANIFEST as SPACY
from rag.settings import Settings

_NOTED: ContextVar[dict[str, Json] | None] = ContextVar("noted", default=None)
_RAMPART = SPACY.with_name("rampart.json")


@contextmanager
def noting() -> Iterator[Mapping[str, Json]]:
    """What `note` is told inside, also in tasks and threads that are started there."""
    noted: dict[str, Json] = {}
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def note(name: str, value: Json) -> None:
    """Add a fact to the manifest of the run; outside of a run, nothing happens."""
    noted = _NOTED.get()
    if noted is not None:
        noted[name] = value


def standing(settings: Settings, data: Path | None, sets: Sequence[str]) -> dict[str, Json]:
    """Models and prompts that the settings name, and every file of those `sets` below `data` that are there.

    Models are told by the SHA-256 that their files are verified against before they are loaded.
    """
    _, embedder = locate(settings.embedding)
    generator: dict[str, Json] = {"kind": settings.generator.kind}
    if settings.generator.model:
        generator["model"] = settings.generator.model
    return {
        "models": {
            "embedder": {
                "name": embedder.name,
                "digest": embedder.digest,
                "precision": settings.embedding.precision,
            },
            "recognizer": {
                "profile": settings.privacy.profile,
                "spacy": sha256_of(SPACY),
                "rampart": sha256_of(_RAMPART),
            },
            "generator": generator,
        },
        "prompts": load_prompts().version,
        "data": {} if data is None else dict(files_of(data, sets)),
    }


def files_of(data: Path, sets: Sequence[str]) -> Mapping[str, str]:
    """SHA-256 by path below `data`."""
    found = (path for name in sorted(sets) for path in sorted((data / name).rglob("*")) if path.is_file())
    return {path.relative_to(data).as_posix(): sha256_of(path) for path in found}


def digest_of_folder(folder: Path) -> str:
    """One digest over names and bytes of all files below `folder`."""
    parts = [part for name, sha256 in files_of(folder.parent, [folder.name]).items() for part in (name, sha256)]
    return digest_of(parts).hex()


def sha256_of(path: Path) -> str:
    """Of the bytes of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
