"""The sample company, ingested by the real command into a real data folder, once for the whole run."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.copies import copy_folder

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "evals" / "sample_company" / "documents"
POLICY = ROOT / "policies" / "templates" / "meridian.yaml"
TENANT = "meridian"
RINGFENCE = Path(sys.executable).with_name("ringfence")


@dataclass(frozen=True)
class CommandLine:
    """`ringfence` in a data folder of its own, as a user runs it."""

    data_dir: Path
    more: tuple[tuple[str, str], ...] = ()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        return {**kept, "RINGFENCE_DATA_DIR": str(self.data_dir), "NO_COLOR": "1", "COLUMNS": "160", **dict(self.more)}

    def __call__(self, *arguments: str, expect: int = 0, timeout_s: float = 170) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [RINGFENCE, *arguments],
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.data_dir.parent,
            timeout=timeout_s,
        )
        assert result.returncode == expect, (
            f"{arguments} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
        )
        return result

    def json(self, *arguments: str, expect: int = 0) -> dict[str, object]:
        return json.loads(self(*arguments, "--json", expect=expect).stdout)


@dataclass(frozen=True)
class Service:
    """A running `ringfence serve`."""

    url: str
    operator_key: str
    command: CommandLine
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A data folder with the sample company in it, and the report of its ingestion. Copy it, do not change it."""
    data_dir = tmp_path_factory.mktemp("company") / "data"
    command = CommandLine(data_dir)
    command("policy", "load", str(POLICY), "--tenant", TENANT, "--reason", "sample company")
    return data_dir, command.json("ingest", str(DOCUMENTS), "--tenant", TENANT)


@pytest.fixture
def company(ingested: tuple[Path, dict[str, object]], tmp_path: Path) -> CommandLine:
    """The sample company in a folder that the test may change."""
    copy_folder(ingested[0], tmp_path / "data")
    return CommandLine(tmp_path / "data")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def service(ingested: tuple[Path, dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`ringfence serve` on a free loopback port over a copy of the company."""
    data_dir = tmp_path_factory.mktemp("service") / "data"
    copy_folder(ingested[0], data_dir)
    with serving(CommandLine(data_dir)) as running:
        yield running


@contextmanager
def serving(command: CommandLine) -> Iterator[Service]:
    """Start `ringfence serve`, wait until it is ready, stop it as Ctrl-C does."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = command.data_dir.parent / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [RINGFENCE, "serve", "--port", str(port)],
            env=command.environment(),
            cwd=command.data_dir.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(url, process, log)
        yield Service(url, (command.data_dir / "operator.key").read_text().strip(), command, process)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)  # bounded by the deadline; another process's start gives nothing to wait on
    pytest.fail(f"the service was not ready in time\n{log.read_text()}")
