"""What a run on a live service plants, written down before anything is planted.

Everything that a run plants carries its name, so that the name and the tenants are all that must be known to find it
again: in this run's end, or, where it was killed, in the next one.
"""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import Conflict, Damaged

FOLDER = "leak-live"
"""In the data folder."""

_RUN = re.compile(r"[0-9a-f]{8}")
_MEANWHILE = "Another `ringfence eval leak` is at work on this data folder. Wait for it to end."


@dataclass(frozen=True, slots=True)
class Journal:
    """One run: its name, its own tenants, which it removes as a whole, and the existing ones that it plants in."""

    run: str
    own: tuple[str, ...]
    lent: tuple[str, ...]

    @property
    def source(self) -> str:
        """The name of the source that its documents come from."""
        return f"leak-canaries-{self.run}"

    @property
    def label(self) -> str:
        """Of its API keys."""
        return f"leak {self.run}"

    @property
    def people(self) -> str:
        """What the names of its people begin with."""
        return f"user:leak-{self.run}-"


def new_journal(copies: int, lent: tuple[str, ...]) -> Journal:
    """A run with so many tenants of its own. A name is never used twice: nothing remembered of one meets another."""
    run = secrets.token_hex(4)
    own = tuple(f"leak-{run}-{number}" for number in range(copies))
    return Journal(run, own, lent)


class Journals:
    """Those of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.resolve() / FOLDER

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other run plants or cleans meanwhile. The lock ends with the process.

        Raises:
            Conflict: another one does.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with FileLock(self._folder / "lock", timeout=0):
                yield
        except Timeout:
            raise Conflict(_MEANWHILE, code="leak_running") from None

    def write(self, journal: Journal) -> None:
        """Returns when it would survive a power cut."""
        written = self._folder / f"{journal.run}.tmp"
        with written.open("w", encoding="utf-8") as file:
            json.dump(asdict(journal), file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._place(journal))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def left(self) -> tuple[Journal, ...]:
        """Of runs that were not cleaned up.

        Raises:
            Damaged: one cannot be read; what it names must be removed by hand.
        """
        return tuple(_read(path) for path in sorted(self._folder.glob("*.json")))

    def forget(self, journal: Journal) -> None:
        """Nothing of it is left."""
        self._place(journal).unlink(missing_ok=True)

    def _place(self, journal: Journal) -> Path:
        return self._folder / f"{journal.run}.json"


def _read(path: Path) -> Journal:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        journal = Journal(str(content["run"]), tuple(content["own"]), tuple(content["lent"]))
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise Damaged(f"The journal {path} of a leak run cannot be read: {type(cause).__name__}.") from cause
    # Own tenants are removed with all that they hold: no other tenant may ever be taken for one.
    named = _RUN.fullmatch(journal.run) and path.stem == journal.run
    if not named or not all(tenant.startswith(f"leak-{journal.run}-") for tenant in journal.own):
        raise Damaged(f"The journal {path} names a tenant that no run made. Nothing was removed.")
    return journal
