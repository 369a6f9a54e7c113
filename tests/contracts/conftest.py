"""The real vLLM server, started once for all contract tests that ask for it."""

from collections.abc import Iterator

import pytest

from tests.contracts.vllm_server import PYTHON, URL, Address, running_vllm


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    if PYTHON is None and URL is None:
        pytest.skip("runs on a real vLLM server: make test-vllm")
    with running_vllm(tmp_path_factory.mktemp("vllm")) as address:
        yield address
