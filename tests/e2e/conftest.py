"""The sample company, ingested by the real command into a real data folder, and commands as processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from rag import cli
from tests.copies import copy_folder
from tests.e2e.forks import Forked, forks
from tests.models import loaded_once
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "evals" / "sample_company" / "documents"
POLICY = ROOT / "policies" / "templates" / "meridian.yaml"
TENANT = "meridian"
RINGFENCE = Path(sys.executable).with_name("ringfence")


@dataclass(frozen=True)
class CommandLine:
    """`ringfence` in a data folder of its own.

    Called, it is a process of its own that another one was forked for (`forks.py`). `fresh` is the installed script, as
    a user runs it: for one command of each kind. `here` is no process at all.
    """

    data_dir: Path
    more: tuple[tuple[str, str], ...] = ()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        return {**kept, "RINGFENCE_DATA_DIR": str(self.data_dir), "NO_COLOR": "1", "COLUMNS": "160", **dict(self.more)}

    def __call__(self, *arguments: str, expect: int = 0, timeout_s: float = 290) -> subprocess.CompletedProcess[str]:
        done = forks().run(arguments, env=self.environment(), cwd=self.data_dir.parent, timeout_s=timeout_s)
        printed = (done.stdout.decode(), done.stderr.decode())
        return _ended(subprocess.CompletedProcess(done.args, done.returncode, *printed), expect)

    def fresh(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [RINGFENCE, *arguments],
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.data_dir.parent,
            timeout=290,
        )
        return _ended(done, expect)

    def json(self, *arguments: str, expect: int = 0) -> dict[str, object]:
        return json.loads(self(*arguments, "--json", expect=expect).stdout)

    def here(self, *arguments: str) -> str:
        """The same command in this process, which has loaded the libraries: for what a test needs and is not about.
        Returns what it printed. Not for threads: it changes the environment while it runs."""
        printed = StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
            patch.chdir(self.data_dir.parent)
            for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
                patch.delenv(name)
            for name, value in self.environment().items():
                patch.setenv(name, value)
            code = cli.main(arguments)
        assert code == 0, f"{arguments} ended with {code}\n{printed.getvalue()}"
        return printed.getvalue()

    def json_here(self, *arguments: str) -> dict[str, object]:
        return json.loads(self.here(*arguments, "--json"))


def _ended(done: subprocess.CompletedProcess[str], expect: int) -> subprocess.CompletedProcess[str]:
    assert done.returncode == expect, f"{done.args} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass(frozen=True)
class Service:
    """A running `ringfence serve`."""

    url: str
    operator_key: str
    command: CommandLine
    process: subprocess.Popen[bytes] | Forked


@pytest.fixture(scope="module", autouse=True)
def models_loaded_once() -> Iterator[None]:
    """For commands in this process (`CommandLine.here`). Those in processes of their own load theirs."""
    with loaded_once():
        yield


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Path, dict[str, object]]:
    """A data folder with the sample company in it, and the report of its ingestion. Copy it, do not change it.

    Made once for the whole run, by the worker that needs it first; another one waits and takes the same.
    """
    own = tmp_path_factory.getbasetemp()
    run = own if worker_id == "master" else own.parent
    made = run / "company.json"
    with FileLock(run / "company.lock", timeout=580):
        if not made.exists():
            data_dir = tmp_path_factory.mktemp("company") / "data"
            command = CommandLine(data_dir)
            command.here("policy", "load", str(POLICY), "--tenant", TENANT, "--reason", "sample company")
            report = json.loads(command.fresh("ingest", str(DOCUMENTS), "--tenant", TENANT, "--json").stdout)
            made.write_text(json.dumps([str(data_dir), report]))
    folder, report = json.loads(made.read_text())
    return Path(folder), report


@pytest.fixture
def company(ingested: tuple[Path, dict[str, object]], tmp_path: Path) -> CommandLine:
    """The sample company in a folder that the test may change."""
    copy_folder(ingested[0], tmp_path / "data")
    return CommandLine(tmp_path / "data")


@pytest.fixture(scope="session")
def service(ingested: tuple[Path, dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`ringfence serve` on a free loopback port over a copy of the company."""
    data_dir = tmp_path_factory.mktemp("service") / "data"
    copy_folder(ingested[0], data_dir)
    with serving(CommandLine(data_dir), fresh=True) as running:
        yield running


@contextmanager
def serving(command: CommandLine, *, fresh: bool = False) -> Iterator[Service]:
    """Start `ringfence serve`, wait until it is ready, stop it as Ctrl-C does. `fresh`: by the installed script."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = command.data_dir.parent / "serve.log"
    arguments, env, cwd = ["serve", "--port", str(port)], command.environment(), command.data_dir.parent
    process: subprocess.Popen[bytes] | Forked
    with log.open("wb") as output:
        if fresh:
            process = subprocess.Popen([RINGFENCE, *arguments], env=env, cwd=cwd, stdout=output, stderr=output)
        else:
            process = forks().start(arguments, env=env, cwd=cwd, stdout=output, stderr=output)
    try:
        wait_until_ready(url, process, log)
        yield Service(url, (command.data_dir / "operator.key").read_text().strip(), command, process)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes] | Forked, log: Path) -> None:
    deadline = time.monotonic() + 240
    # One client: making one costs a hundred times what asking does.
    with httpx.Client(timeout=2, trust_env=False) as client:
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                if client.get(f"{url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)  # bounded by the deadline; another process's start gives nothing to wait on
    pytest.fail(f"the service was not ready in time\n{log.read_text()}")
