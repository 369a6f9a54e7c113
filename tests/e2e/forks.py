"""Commands as processes of their own, without the seconds that each would take to import the libraries.

A parent imports them once for all workers of a test run, and forks for every command. A forked command has its own
arguments, environment, folder, output files and exit code, loads its models itself and ends as any interpreter does.
What it does not show is that the installed script and the imports work: some commands of each room are run that way
(`CommandLine.fresh`).
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from filelock import FileLock

LOADED = (
    "rag.api.app",
    "rag.api.composition",
    "rag.api.local",
    "rag.api.warm",
    "rag.api.commands.asking",
    "rag.api.commands.audit_trail",
    "rag.api.commands.diagnosis",
    "rag.api.commands.keyring",
    "rag.api.commands.personal_data",
    "rag.api.commands.policy_edits",
    "rag.api.commands.serving",
    "ingestion.commands.browsing",
    "ingestion.commands.ingesting",
)
ROOT = Path(__file__).parents[2]
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex
"""Which test run this is: the same for all of its workers."""
OWNER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
"""The process with which the test run ends."""
# A socket's path may be 107 bytes long at most, which pytest's own folders can exceed.
FOLDER = Path(tempfile.gettempdir()) / f"rf-fork-{RUN}"
START_S = 240
"""Importing the libraries, on a machine that may be busy."""


class Forked:
    """A running command, with what is used of `subprocess.Popen`."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._connection, select.POLLIN)
            if not waiting.poll(None if timeout is None else int(timeout * 1000)):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = int(_line(self._connection))
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class Forks:
    """The client of the parent; threads may share it."""

    address: str

    def start(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: IO[bytes],
        stderr: IO[bytes],
        verbose: bool = False,
    ) -> Forked:
        """Start `ringfence` with these arguments; with `verbose`, as `verbose.py` does."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.address)
        request = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd), "verbose": verbose}
        socket.send_fds(connection, [b"r"], [stdout.fileno(), stderr.fileno()])
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Forked(int(_line(connection)), connection)

    def run(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        timeout_s: float,
        verbose: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end. Raises `subprocess.TimeoutExpired` when it has been killed for taking too long."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.start(arguments, env=env, cwd=cwd, stdout=out, stderr=err, verbose=verbose)
            try:
                code = process.wait(timeout_s)
            finally:
                process.kill()
                process.wait()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


def forks() -> Forks:
    """The one that all workers of the test run share, started by whoever asks first. It ends with the test run."""
    address = FOLDER / "s"
    with _STARTING:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        with FileLock(FOLDER / "lock", timeout=START_S):
            if not address.exists():
                subprocess.run(
                    [sys.executable, "-m", __name__, str(FOLDER), str(OWNER)],
                    # Else numpy would start threads, which a fork cannot take over.
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    timeout=START_S,
                    check=True,
                )
    return Forks(str(address))


_STARTING = threading.Lock()


def main(folder: Path, owner: int) -> int:
    """Start the parent and return when it serves; 1 if it does not. It is no child of the worker that asked for it,
    which may have nothing more to do before the others have."""
    ready, told = os.pipe()
    if os.fork():
        os.close(told)
        return 0 if os.read(ready, 1) else 1
    os.close(ready)
    os.setsid()
    return _parent(folder, owner, told)


def _parent(folder: Path, owner: int, told: int) -> int:
    """Forks until the owner ends. Every child returns from here, too, with its exit code."""
    for name in LOADED:
        import_module(name)
    gc.collect()
    gc.freeze()
    with ExitStack() as opened:
        request = _serve(folder / "s", owner, told, opened)
    if request is None:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    return _run(request)


def _serve(address: Path, owner: int, told: int, opened: ExitStack) -> dict[str, Any] | None:
    """None in the parent when it is to end; in a child, its request. `told` is written to when it begins."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ending = os.pidfd_open(owner)
    opened.callback(os.close, ending)
    listener = opened.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(address))
    listener.listen(64)
    os.write(told, b"1")
    os.close(told)
    waiting = select.poll()
    waiting.register(ending, select.POLLIN)
    waiting.register(listener, select.POLLIN)
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for fd, _ in waiting.poll():
            if fd == ending:
                return None
            if fd in running:
                pid, connection = running.pop(fd)
                waiting.unregister(fd)
                os.close(fd)
                _, status = os.waitpid(pid, 0)
                _tell(connection, os.waitstatus_to_exitcode(status))
                connection.close()
                continue
            connection = listener.accept()[0]
            _, fds, _, _ = socket.recv_fds(connection, 1, 2)
            request: dict[str, Any] = json.loads(_line(connection))
            if len(tasks := os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - names are all there is
                raise RuntimeError(f"a library started {len(tasks) - 1} threads when it was imported")
            pid = os.fork()
            if pid == 0:
                for other, held in running.items():
                    os.close(other)
                    held[1].close()
                connection.close()
                return {**request, "fds": fds}
            for given in fds:
                os.close(given)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = (pid, connection)
            waiting.register(pidfd, select.POLLIN)
            _tell(connection, pid)


def _run(request: Mapping[str, Any]) -> int:
    """The command, in the child: everything of its own that a new process would have."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, standard in zip((nothing, *request["fds"]), (0, 1, 2), strict=True):
        os.dup2(given, standard)
        os.close(given)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    tempfile.tempdir = None  # Python remembers the folder that the environment named before.
    sys.argv = ["ringfence", *request["arguments"]]
    module = import_module("tests.e2e.verbose" if request["verbose"] else "rag.cli")
    return int(module.main())


def _line(connection: socket.socket) -> bytes:
    """Up to the next line feed, one byte at a time: what follows is for another reader."""
    said = bytearray()
    while not said.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError("the parent of the commands is gone")
        said += byte
    return bytes(said)


def _tell(connection: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody may be waiting for it any more
        connection.sendall(b"%d\n" % number)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
