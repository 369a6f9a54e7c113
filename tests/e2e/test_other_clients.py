"""LlamaIndex's OpenAI-like client, unchanged, on the served sample company. `make test-clients` has it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import TENANT, Service

PYTHON = os.environ.get("RINGFENCE_TEST_CLIENTS_PYTHON")
pytestmark = [
    pytest.mark.skipif(PYTHON is None, reason="make test-clients brings the other clients"),
    pytest.mark.timeout(600),
]
PERSON = "tomas.okafor"
QUESTION = "How long is the notice period?"
REFUSED = {
    "tools": {"class": "BadRequestError", "code": "unsupported_parameter", "status": 400},
    "model": {"class": "NotFoundError", "code": "model_not_found", "status": 404},
    "key": {"class": "AuthenticationError", "code": "unauthenticated", "status": 401},
    "person": {"class": "AuthenticationError", "code": "unauthenticated", "status": 401},
    "empty": {"class": "BadRequestError", "code": "question_missing", "status": 400},
}


def test_llama_index_gets_the_answers_streams_and_errors_that_it_expects(service: Service) -> None:
    assert PYTHON is not None
    made = service.command.json(
        "keys", "create", "--tenant", TENANT, "--subject", "assistant:helpdesk", "--may-name-people"
    )
    script = Path(__file__).with_name("llama_client.py")
    ran = subprocess.run(
        [PYTHON, str(script), service.url, str(made["key"]), PERSON, QUESTION],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    got = json.loads(ran.stdout)
    assert "weeks" in got["chat"] or "month" in got["chat"]
    assert {got["complete"], got["stream"], *got["at_once"]} == {got["chat"]}
    assert {name: got[name] for name in REFUSED} == REFUSED
