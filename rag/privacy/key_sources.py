"""Where master keys come from: a setting, a file, the data folder. Several may be known at once.

The first one wraps; the others still open what they wrapped. So a master key is replaced without a pause: let every
process know both, let `ringfence privacy rotate-key --master` wrap everything with the new one put first, and take the
old one away when it wraps nothing any more. Processes that share a file follow its changes by themselves.

A key management service is one more `KeySource`: it wraps and unwraps by calls, and `Remembered` keeps those few.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag.errors import Misuse
from rag.privacy.key_files import create_once, decode_key, read_key_file
from rag.privacy.keys import KeySource, MasterKey, Wrapped, wrong_master_key
from rag.settings import Settings

MASTER_KEY_FILE = "master.key"
MASTER_KEY_SETTING = "RINGFENCE_PRIVACY__MASTER_KEY"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Several sources as one: the first wraps, each opens what it wrapped. At least one."""

    sources: tuple[KeySource, ...]

    @property
    def id(self) -> str:
        return self.sources[0].id

    @property
    def origin(self) -> str:
        return self.sources[0].origin

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(source.id for source in self.sources)

    async def wrap(self, owner: str, data_key: bytes) -> Wrapped:
        return await self.sources[0].wrap(owner, data_key)

    async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
        for source in self.sources:
            if source.id == wrapped.master_key_id:
                return await source.unwrap(owner, wrapped)
        raise wrong_master_key(owner, wrapped, f"{self.origin} holds {', '.join(self.ids)}")


class KeyFile:
    """Master keys in a file, one a line, the one that wraps first.

    The file is looked at again before each wrap and when a key is unknown, so a running service follows a change.
    """

    def __init__(self, path: Path, *, private: bool = False) -> None:
        """`private`: nobody but the owner may read the file.

        Raises:
            Misuse: the file cannot be read or used.
        """
        self.path = path
        self._private = private
        self._seen: object = None
        self._ring = self._look()

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r})"

    @property
    def id(self) -> str:
        return self._look().id

    @property
    def ids(self) -> tuple[str, ...]:
        return self._look().ids

    @property
    def origin(self) -> str:
        return str(self.path)

    async def wrap(self, owner: str, data_key: bytes) -> Wrapped:
        return await self._look().wrap(owner, data_key)

    async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
        ring = self._ring if wrapped.master_key_id in self._ring.ids else self._look()
        return await ring.unwrap(owner, wrapped)

    def _look(self) -> KeyRing:
        try:
            found = self.path.stat()
            seen = found.st_mtime_ns, found.st_size, found.st_ino
        except OSError:
            seen = None
        if seen is None or seen != self._seen:
            text = read_key_file(self.path, private=self._private, code="bad_master_key")
            self._ring, self._seen = ring_of(text, str(self.path)), seen
        return self._ring


class Remembered:
    """A source whose opened data keys are kept in memory for a while: for one that is asked over the network.

    A key that is withdrawn at the source is forgotten here after `lifetime_s` at the latest.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        lifetime_s: float = 300.0,
        kept: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._lifetime_s = lifetime_s
        self._kept = kept
        self._clock = clock
        self._opened: OrderedDict[tuple[str, str, bytes], tuple[float, bytes]] = OrderedDict()

    @property
    def id(self) -> str:
        return self._source.id

    @property
    def origin(self) -> str:
        return self._source.origin

    async def wrap(self, owner: str, data_key: bytes) -> Wrapped:
        return await self._source.wrap(owner, data_key)

    async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
        asked, now = (owner, wrapped.master_key_id, wrapped.data), self._clock()
        if asked in self._opened and self._opened[asked][0] > now:
            return self._opened[asked][1]
        key = await self._source.unwrap(owner, wrapped)
        self._opened[asked] = (now + self._lifetime_s, key)
        self._opened.move_to_end(asked)
        while len(self._opened) > self._kept:
            self._opened.popitem(last=False)
        return key


def ring_of(text: str, origin: str) -> KeyRing:
    """The keys of a text, separated by white space.

    Raises:
        Misuse: none, or one that is not 32 bytes of base64; the message tells its place, never the key.
    """
    words = text.split()
    keys = [MasterKey.of(decode_key(word, origin), origin) for word in words or [""]]
    if len({key.id for key in keys}) < len(keys):
        raise Misuse(f"{origin} holds one key twice. Leave each in it once.", code="bad_master_key")
    return KeyRing(tuple(keys))


def open_keys(settings: Settings) -> KeyRing | KeyFile:
    """The master keys: from the setting, else its file, else `master.key` in the data folder, made on first use.

    Raises:
        Misuse: the setting or file does not hold keys of 32 bytes in base64, a named file is missing, or the file in
            the data folder may be read by others.
    """
    privacy = settings.privacy
    if privacy.master_key is not None:
        return ring_of(privacy.master_key.get_secret_value(), MASTER_KEY_SETTING)
    if privacy.master_key_file is not None:
        return KeyFile(privacy.master_key_file)
    path = settings.data_dir / MASTER_KEY_FILE
    create_once(path)
    return KeyFile(path, private=True)
