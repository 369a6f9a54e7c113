"""A real vLLM server for contract tests, started here on its CPU build, or one that runs somewhere already.

RINGFENCE_TEST_VLLM_PYTHON: the interpreter of an environment with vLLM; a server on a small random model is started.
RINGFENCE_TEST_VLLM_URL, ..._MODEL, ..._KEY: a server that runs already, on a GPU perhaps, with nobody else on it and
with the options of `_arguments` that limit context and queue.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.contracts.random_model import CONTEXT, write_random_model
from tests.ports import free_port

PYTHON = os.environ.get("RINGFENCE_TEST_VLLM_PYTHON")
URL = os.environ.get("RINGFENCE_TEST_VLLM_URL")
START_S_MAX = 600
DRAIN_S = 30
RUNNING_MAX, UNFINISHED_MAX = 2, 4
"""The limit of vLLM's queue counts what runs, too: here two more may wait."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # With more threads than free cores they wait for each other: eight times slower.
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Else the first request with some sampling settings compiles C++ for half a minute.
    "TORCHDYNAMO_DISABLE": "1",
}


@dataclass(frozen=True)
class Address:
    """Where a model server listens. `drain` asks it to end what it has begun and then itself, where that is ours."""

    base_url: str
    model: str
    key: str | None = field(repr=False)
    drain: Callable[[], None] | None = None


@contextmanager
def running_vllm(folder: Path) -> Iterator[Address]:
    """The server that the environment names, or a new one whose model and log lie in `folder`."""
    if URL is not None:
        model = os.environ.get("RINGFENCE_TEST_VLLM_MODEL", "m")
        yield Address(URL, model, os.environ.get("RINGFENCE_TEST_VLLM_KEY"))
        return
    assert PYTHON is not None
    write_random_model(folder / "model")
    port = free_port()
    log = folder / "vllm.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [PYTHON, "-m", "vllm.entrypoints.openai.api_server", *_arguments(folder / "model", port)],
            env={**os.environ, **ENVIRONMENT},
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server, log)
            yield Address(f"http://127.0.0.1:{port}/v1", "m", "s3cret-key", server.terminate)
        finally:
            # Also what outlived the process that was asked to drain.
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(30)


def _arguments(model: Path, port: int) -> list[str]:
    options = {
        "--model": model,
        "--served-model-name": "m",
        "--host": "127.0.0.1",
        "--port": port,
        "--api-key": "s3cret-key",
        "--load-format": "dummy",
        "--dtype": "float32",
        "--max-model-len": CONTEXT,
        "--max-num-seqs": RUNNING_MAX,
        "--max-num-queued-reqs": UNFINISHED_MAX,
        "--shutdown-timeout": DRAIN_S,
    }
    return ["--enforce-eager", *(str(part) for option in options.items() for part in option)]


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    raise AssertionError(f"vLLM did not start. The end of its log:\n{log.read_text()[-4000:]}")
