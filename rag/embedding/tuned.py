"""The tuned models of one tenant: where they stand, how one comes to stand there whole, and the card beside each.

    models/TENANT/NAME/         the model, as `EmbeddingSettings.model` names it
    models/TENANT/NAME.json     its card: what it was made of and on, and how it did

Weights may hold what they were trained on. So both are readable by the folder's user alone, and lie in a folder of
their tenant's own, whose name is made from hers and safe on every file system.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag.domain import content_id, digest_of
from rag.embedding.manifest import FILE_NAME, write_manifest
from rag.errors import Conflict, Damaged

_UNFINISHED = ".making-"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A model that stands whole. `sha256` is the digest of its manifest, as the settings want it."""

    name: str
    folder: Path
    sha256: str


class TunedModels:
    """Those of one tenant in a data folder."""

    def __init__(self, data_dir: Path, tenant: str) -> None:
        self.folder = data_dir.resolve() / "models" / content_id("tenant", digest_of(["models", tenant]))

    def find(self, name: str) -> TunedModel | None:
        folder = self.folder / name
        try:
            return TunedModel(name, folder, hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest())
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """Of all that stand, also of those of which only a part does: a card, or a folder without its manifest."""
        there = [path for path in self.folder.glob("*") if not path.name.startswith(_UNFINISHED)]
        return sorted({path.stem if path.suffix == ".json" else path.name for path in there} - {_LOCK})

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process makes a model of the tenant's meanwhile; what one left unfinished is removed.

        Raises:
            Conflict: another one does.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.parent.chmod(0o700)  # `mode` is of the last one alone
        lock = FileLock(self.folder / _LOCK, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Conflict("Another `ringfence index tune` of this tenant is running. Wait for it.") from None
        try:
            for left in self.folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield
        finally:
            lock.release()

    @contextmanager
    def making(self, name: str, title: str) -> Iterator[Path]:
        """An empty folder to save a model in. At the end it stands under its name, whole, with its manifest, in which
        it is called `title`; where anything is raised, nothing stands."""
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))  # readable by its owner alone
        try:
            yield unfinished
            write_manifest(unfinished, title)
            for path in sorted(unfinished.rglob("*")):
                path.chmod(0o700 if path.is_dir() else 0o600)
                _sync(path)
            _sync(unfinished)
            unfinished.rename(self.folder / name)
            _sync(self.folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def keep_card(self, name: str, card: Mapping[str, Any]) -> str:
        """Write the card of a model, in one step; its SHA-256."""
        raw = json.dumps(card, indent=1, sort_keys=True).encode() + b"\n"
        unfinished = self.folder / f"{_UNFINISHED}{name}.json"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.folder / f"{name}.json")
        return hashlib.sha256(raw).hexdigest()

    def card(self, model: str) -> Mapping[str, Any] | None:
        """The card of what an index names as its model; None where it is none of these, or was removed.

        Raises:
            Damaged: it cannot be read.
        """
        folder = Path(model)
        if folder.parent != self.folder:
            return None
        try:
            card: Mapping[str, Any] = json.loads((self.folder / f"{folder.name}.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as cause:
            raise Damaged(f"The card of the tuned model {folder.name} in {self.folder} cannot be read.") from cause
        return card

    def trained_on(self, document: str) -> int:
        """How many of the models were trained on a document, in whatever version. Raises as `card`."""
        cards = [self.card(str(path.with_suffix(""))) for path in sorted(self.folder.glob("*.json"))]
        trained = [{one["document"] for one in card["documents"]} for card in cards if card is not None]
        return sum(document in documents for documents in trained)

    def discard(self, name: str) -> None:
        """Remove a model and its card; first what makes it a model."""
        (self.folder / name / FILE_NAME).unlink(missing_ok=True)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / f"{name}.json").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
