"""The data folder of the embedded default: exactly one process owns its vector shards at a time.

The owner holds a file lock and writes its address beside it, so that a command started while the service runs
knows whom to ask. The lock is the operating system's: it ends with the process, however that ends.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import Conflict


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that owns a folder. `url` is empty for a command, and the service's root for the service."""

    pid: int
    url: str


class DataFolder:
    """A data folder on the local disk. Creating the object touches nothing but the folder itself."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        with self._usable():
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(self.path / "owner.lock")
        self._owner_file = self.path / "owner.json"

    def try_own(self) -> bool:
        """Take ownership if nobody has it. Never waits.

        Raises:
            Conflict: the folder cannot be written.
        """
        try:
            with self._usable():
                self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self.announce("")
        return True

    def own(self) -> None:
        """Take ownership.

        Raises:
            Conflict: another process has it; the message names it. Or the folder cannot be written.
        """
        if not self.try_own():
            owner = self.owner()
            who = (
                f"process {owner.pid}" + (f" serving {owner.url}" if owner and owner.url else "")
                if owner
                else "another process"
            )
            raise Conflict(
                f"The data folder {self.path} is in use by {who}. Stop it first, or choose another folder "
                "with RINGFENCE_DATA_DIR.",
                code="folder_in_use",
            )

    def announce(self, url: str) -> None:
        """Tell other processes where the owner answers. Call only while owning."""
        written = self._owner_file.with_suffix(f".{os.getpid()}.tmp")
        with self._usable():
            written.write_text(json.dumps({"pid": os.getpid(), "url": url}))
            written.replace(self._owner_file)

    def owner(self) -> Owner | None:
        """Who owns the folder now, or None. What a dead owner left behind does not count."""
        probe = FileLock(self.path / "owner.lock")
        if not self._lock.is_locked:
            try:
                with self._usable():
                    probe.acquire(timeout=0)
            except Timeout:
                pass
            else:
                probe.release()
                return None
        try:
            record = json.loads(self._owner_file.read_text())
            return Owner(pid=int(record["pid"]), url=str(record["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Owner(pid=0, url="")

    def release(self) -> None:
        if self._lock.is_locked:
            self._owner_file.unlink(missing_ok=True)
            self._lock.release()

    def operator_key(self) -> str:
        """The local operator's key: whoever can read this folder may speak for anybody in it.

        Made on first use, readable by the folder's user only.
        """
        path = self.path / "operator.key"
        with self._usable():
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                key = path.read_text().strip()
                if len(key) < 32:
                    raise Conflict(
                        f"{path} is not a key. Remove the file; a new one is made on the next start."
                    ) from None
                return key
            key = f"rfop_{secrets.token_urlsafe(32)}"
            with os.fdopen(handle, "w") as file:
                file.write(key)
            return key

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """What the operating system refuses, told as what is wrong with the folder."""
        try:
            yield
        except Timeout:
            raise  # Somebody else has the lock, which is for the caller.
        except OSError as cause:
            raise Conflict(
                f"The data folder {self.path} cannot be used: {cause.strerror}. This user must be able to write it; or "
                "choose another folder with RINGFENCE_DATA_DIR."
            ) from cause
