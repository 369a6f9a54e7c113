"""A real docling-serve on loopback, started here without a network, with the weights of `docling_models`.

RINGFENCE_TEST_DOCLING_PYTHON: the interpreter of an environment with docling-serve (`make test-docling`).
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.ports import free_port

PYTHON = os.environ.get("RINGFENCE_TEST_DOCLING_PYTHON")
KEY = "docling-server-key"
START_S_MAX = 300
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DOCLING_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
    "DOCLING_SERVE_API_KEY": KEY,
    "DOCLING_SERVE_DEFAULT_TABLE_STRUCTURE_PRESET": "tableformer_v2",
    "DOCLING_SERVE_ENG_LOC_NUM_WORKERS": "1",
    "DOCLING_SERVE_SYNC_POLL_INTERVAL": "1",
    "DOCLING_SERVE_MAX_NUM_PAGES": "1",
    "DOCLING_SERVE_MAX_FILE_SIZE": "20000000",
}


@contextmanager
def running_docling(folder: Path) -> Iterator[str]:
    """Its address; weights and log lie in `folder`."""
    assert PYTHON is not None
    # Without the service's own packages, which this process may have been given the place of.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RINGFENCE_"))}
    write = Path(__file__).with_name("docling_models.py")
    subprocess.run(
        [PYTHON, write, folder / "models"], env={**inherited, **ENVIRONMENT}, check=True, timeout=START_S_MAX
    )
    port, log = free_port(), folder / "docling.log"
    environment = {**inherited, **ENVIRONMENT, "DOCLING_SERVE_ARTIFACTS_PATH": str(folder / "models")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [PYTHON, "-m", "docling_serve", "run", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/ready", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(30)


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        with suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False, timeout=5).status_code == httpx.codes.OK:
                return
        time.sleep(1)
    raise AssertionError(f"docling-serve did not start. The end of its log:\n{log.read_text()[-4000:]}")
