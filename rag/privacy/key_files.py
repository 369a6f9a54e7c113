"""Files that hold keys: made once, for their owner only, and replaced whole."""

import base64
import binascii
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import Conflict, Misuse
from rag.privacy.keys import KEY_BYTES, MasterKey

LOCK_S = 10.0
HOW_TO_MAKE = "`openssl rand -base64 32` makes one"


def decode_key(text: str, origin: str) -> bytes:
    """32 bytes from base64.

    Raises:
        Misuse: it is not that.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise Misuse(f"{origin} does not hold 32 bytes as base64; {HOW_TO_MAKE}.", code="bad_master_key")
    return key


def read_key_file(path: Path, *, private: bool, code: str) -> str:
    """The text of a key file. `private`: refuse one that others may read.

    Raises:
        Misuse: with `code`; it cannot be read, or others may read it.
    """
    try:
        if private and path.stat().st_mode & 0o077:
            raise Misuse(f"The key file {path} may be read by others. Run `chmod 600 {path}`.", code=code)
        return path.read_text("ascii")
    except PermissionError:
        raise Misuse(
            f"The key file {path} may not be read by this user. Let the one who runs Ringfence own it (`chown`), with "
            "mode 600.",
            code=code,
        ) from None
    except (OSError, UnicodeDecodeError) as cause:
        raise Misuse(
            f"The key file {path} cannot be read ({type(cause).__name__}). It holds 32 bytes as base64; {HOW_TO_MAKE}.",
            code=code,
        ) from None


def put_first(path: Path) -> str:
    """Make a new master key, write it above the others of the file, and return its id.

    Raises:
        Conflict: another process is changing the file.
    """
    with _changing(path):
        new = new_key()
        _replace(path, [new, *path.read_text("ascii").split()])
        return MasterKey.of(decode_key(new, str(path)), str(path)).id


def keep_first(path: Path, expected: str) -> None:
    """Take all keys but the first out of the file.

    Raises:
        Conflict: the first is not `expected` (somebody has begun another rotation), or the file is busy.
    """
    with _changing(path):
        words = path.read_text("ascii").split()
        first = MasterKey.of(decode_key(words[0], str(path)), str(path)).id if words else "none"
        if first != expected:
            raise Conflict(f"{path} was changed meanwhile: its first key is {first}, not {expected}. Nothing was done.")
        _replace(path, words[:1])


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One process at a time: of two that each put a key first, the slower would lose the other's."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S)
    try:
        lock.acquire()
    except Timeout:
        raise Conflict(f"Another process is changing {path}. Try again when it is done.") from None
    try:
        yield
    finally:
        lock.release()


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def create_once(path: Path) -> None:
    """Make the file with a new key, for its owner only, unless it exists."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _draft(path, [new_key()])
    try:
        # A link appears whole or not at all, and the second of two processes fails instead of replacing the first.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _replace(path: Path, keys: Sequence[str]) -> None:
    _draft(path, keys).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _draft(path: Path, keys: Sequence[str]) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write("".join(f"{key}\n" for key in keys).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    return draft
