"""A `ringfence serve` process of its own: started, looked at from outside, killed, started again."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx

from evals.runner.program import PROGRAM
from rag.errors import Misuse, Unavailable

_READY_S = 180
_STOP_S = 60
_LIMITS = {"RINGFENCE_SERVICE__REQUESTS_PER_MINUTE": "1000000000"}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds at one moment. `start` counts the starts of the service, from 0.

    `memory_mb` is what it has allocated and touched; pages of files, which the kernel takes back as it likes, are not
    among it.
    """

    start: int
    requests: int
    memory_mb: float
    files: int
    sockets: int
    threads: int


class ServedCompany:
    """The service on `data_dir`, on a free loopback port that stays the same. Its log goes to `log`.

    `more` are settings by their names in the environment.
    """

    program: ClassVar[tuple[str, ...]] = PROGRAM

    def __init__(self, data_dir: Path, log: Path, more: Mapping[str, str] | None = None) -> None:
        if not Path("/proc/self/status").exists():
            raise Misuse("The soak reads what a process holds from /proc, which is there on Linux only.")
        self._data_dir = data_dir
        self._log = log
        self._more = more or {}
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.starts = 0

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Unavailable: it ended, or was not ready in time.
        """
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it takes no time, and is waited for elsewhere
                [*self.program, "serve", "--port", str(self._port)],
                env={**environment(self._data_dir), **self._more}, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.starts += 1
        deadline = time.monotonic() + _READY_S
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        raise Unavailable(f"`ringfence serve` did not become ready; its log is {self._log}.")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It answers meanwhile, and is stopped in the end, also where it never was ready. Raises as `start`."""
        try:
            await self.start()
            yield
        finally:
            await self.stop()

    async def kill(self) -> None:
        """As `kill -9`: it is not asked, and has no time for anything."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """As Ctrl-C; returns when it is gone."""
        await self._end(signal.SIGINT)

    def usage(self, requests: int) -> Usage:
        """What it holds now; `requests` is how many it was sent."""
        if self._process is None:
            raise RuntimeError("the service was not started")
        root = Path("/proc") / str(self._process.pid)
        status = dict(line.split(":", 1) for line in (root / "status").read_text().splitlines())
        targets = [_target(link) for link in (root / "fd").iterdir()]
        return Usage(
            start=self.starts - 1,
            requests=requests,
            memory_mb=sum(int(status[name].split()[0]) for name in ("RssAnon", "VmSwap")) / 1024,
            files=len(targets),
            sockets=sum(target.startswith("socket:") for target in targets),
            threads=int(status["Threads"]),
        )

    async def usage_at_rest(self, sockets: int, requests: int) -> Usage:
        """What it holds once it has no more than so many sockets, or after some seconds in which that did not come."""
        found = self.usage(requests)
        for _ in range(100):
            if found.sockets <= sockets:
                break
            await asyncio.sleep(0.1)
            found = self.usage(requests)
        return found

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            await asyncio.to_thread(self._process.wait, _STOP_S)


def environment(data_dir: Path) -> Mapping[str, str]:
    return {**os.environ, "RINGFENCE_DATA_DIR": str(data_dir), **_LIMITS}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed since it was listed
        return ""
