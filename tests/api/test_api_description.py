"""The description of the API holds: for whoever generates a client from it, and against whoever tries what it allows.

The service is the real one on loopback, with two people who read and administer a department each. The mark of the
other one's document must never come back to either.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from evals.fuzz.fuzzer import Findings, Fuzzer, Person
from rag import cli
from rag.api.app import create_app
from rag.api.composition import open_parts
from rag.api.description.operations import OPERATIONS
from rag.api.errors import TABLE
from rag.api.parts import AppParts
from rag.db.documents import Documents
from rag.db.engine import open_database
from rag.db.folder import DataFolder
from rag.identity.store import ApiKeys
from rag.settings import Settings, load_settings
from tests.api.conftest import serving
from tests.api.test_cli import COMMANDS

pytestmark = pytest.mark.timeout(300)  # it loads the models, on a machine that may be busy
EXAMPLES = 2
MARKS = {"ann": "heron-copper-lantern", "bob": "otter-velvet-compass"}
DEPARTMENTS = {"ann": "sales", "bob": "staff"}
POLICY = """
rules:
  - {subject: user:ann, action: [read, administer], department: sales}
  - {subject: user:bob, action: [read, administer], department: staff}
"""
QUESTION = "What is the file mark of the discount for customers, and that of the canteen?"


@dataclass(frozen=True)
class Company:
    """A filled data folder. `documents` are ids and versions by department, `keys` by person."""

    settings: Settings
    documents: dict[str, tuple[str, str]]
    keys: dict[str, str]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Filled by the real commands."""
    root = tmp_path_factory.mktemp("described")
    for person, department in DEPARTMENTS.items():
        folder = root / "documents" / department
        folder.mkdir(parents=True)
        (folder / "ringfence.yaml").write_text(f"department: {department}\nlevel: confidential\n")
        subject = {"sales": "discount for customers", "staff": "canteen"}[department]
        (folder / "note.md").write_text(f"# Note\n\nThe file mark of the {subject} is {MARKS[person]}.\n")
    (root / "policy.yaml").write_text(POLICY)
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
            patched.delenv(name)
        patched.setenv("RINGFENCE_DATA_DIR", str(root / "data"))
        patched.setenv("RINGFENCE_PRIVACY__PROFILE", "fast")
        patched.setenv("RINGFENCE_SERVICE__DOCS", "true")
        patched.setenv("RINGFENCE_SERVICE__REQUESTS_PER_MINUTE", "1000000")
        patched.chdir(root)
        for line in (["policy", "load", "policy.yaml", "--reason", "test"], ["ingest", "documents"]):
            assert cli.main([*line, "--tenant", "acme"], COMMANDS) == 0
        settings = load_settings()
        documents, keys = asyncio.run(_filled(settings))
        yield Company(settings, documents, keys)


async def _filled(settings: Settings) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    database = await open_database(settings.database_url)
    async with database.unit_of_work() as session:
        keys, now = ApiKeys(session), datetime.now(UTC)
        made = {name: await keys.create(tenant="acme", subject=f"user:{name}", now=now) for name in DEPARTMENTS}
        rows = await Documents(session).of_tenant("acme")
        documents = {row.department: (row.id, row.current_version or "") for row in rows}
    await database.close()
    return documents, {name: new.bearer for name, new in made.items()}


@pytest.fixture(scope="module")
def fuzzed(company: Company) -> Findings:
    return asyncio.run(_fuzzed(company))


async def _fuzzed(company: Company) -> Findings:
    folder = DataFolder(Path(company.settings.data_dir))
    folder.own()
    try:
        async with open_parts(company.settings, folder) as parts, serving(parts) as url:
            return await asyncio.to_thread(_fuzz, url, company)
    finally:
        folder.release()


def _fuzz(url: str, company: Company) -> Findings:
    people = [
        Person(name, company.keys[name], frozenset(MARKS.values()) - {mark}, frozenset({mark}))
        for name, mark in MARKS.items()
    ]
    described = httpx.get(f"{url}/openapi.json", timeout=30, trust_env=False).json()
    return Fuzzer(described, url, people, known_requests(company)).run(EXAMPLES)


def known_requests(company: Company) -> dict[str, list[dict[str, Any]]]:
    """What nobody makes up: questions that the documents answer, and the documents themselves, everybody's."""
    messages = [{"role": "user", "content": QUESTION}]
    ids = [document for document, _ in company.documents.values()]
    lines = {"add_rules": [{"subject": "user:eve", "action": "read", "department": "sales"}]}
    return {
        "create_chat_completion": [
            {"body": {"model": "ringfence", "messages": messages, "stream": stream}, "media_type": "application/json"}
            for stream in (False, True)
        ],
        "search": [{"body": {"query": QUESTION}, "media_type": "application/json"}],
        "retrieve_model": [{"path_parameters": {"model": "ringfence"}}],
        "open_passage": [
            {
                "path_parameters": {"document": document, "version": version},
                "query": {"start": start, "end": end},
                "headers": {"Accept": accept},
            }
            for document, version in company.documents.values()
            for accept in ("text/html", "application/json")
            for start, end in ((0, 60), (0, 2**31 - 1), (5, 5))
        ],
        "unmask": [
            {"body": {"document": one, "tokens": ["<PERSON_0000000000>"]}, "media_type": "application/json"}
            for one in ids
        ],
        "explain": [{"body": {"person": "ann", "document": one}, "media_type": "application/json"} for one in ids],
        "who": [{"query": {"document": one}} for one in ids],
        "what": [{"body": {"person": "ann"}, "media_type": "application/json"}],
        "policy_history": [{}],
        "policy_diff": [{"query": {"old": 0, "new": 1}}],
        "simulate": [{"body": lines, "media_type": "application/json"}],
        "edit_policy": [{"body": lines, "query": {"dry_run": True}, "media_type": "application/json"}],
    }


def test_no_answer_is_a_servers_error_or_otherwise_than_described(fuzzed: Findings) -> None:
    assert not fuzzed.problems, "\n".join(map(str, dict.fromkeys(fuzzed.problems)))
    assert fuzzed.server_errors == 0
    assert fuzzed.operations == OPERATIONS.keys()


def test_nobody_is_shown_the_others_document_whatever_she_asks(fuzzed: Findings) -> None:
    assert fuzzed.leaks == []
    assert fuzzed.seen["ann"] > 3
    assert fuzzed.seen["bob"] > 3


def test_most_operations_are_answered_not_only_refused(fuzzed: Findings) -> None:
    """Both administer a part: the whole policy is not theirs to export, compare, replace or roll back."""
    whole = {"export_policy", "policy_diff", "policy_history", "replace_policy", "roll_policy_back"}
    others = {"publish", "compare_indexes", "unmask", "feedback", "mcp", "mcp_metadata", "root_metadata"}
    jobs = {"create_job", "list_jobs", "get_job", "job_events", "retry_job", "cancel_job"}
    assert OPERATIONS.keys() - fuzzed.answered <= whole | others | jobs


def test_every_route_is_described_and_everything_described_is_a_route(parts: AppParts) -> None:
    routes = {
        getattr(context.original_route, "operation_id", None)
        for context in iter_route_contexts(create_app(parts).routes)
        if getattr(context.original_route, "include_in_schema", False)
    }
    assert routes - {None} == OPERATIONS.keys()


def test_the_description_has_what_a_client_is_generated_from(parts: AppParts) -> None:
    described = create_app(parts).openapi()
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    tags = {tag["name"] for tag in described["tags"]}
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert operation["description"]
        for requirement in operation["security"]:
            assert requirement.keys() <= described["components"]["securitySchemes"].keys()
        for status, response in operation["responses"].items():
            assert int(status) < 400 or response["content"]
    schemas = described["components"]["schemas"]
    assert "#/components/schemas/HTTPValidationError" not in str(described)
    assert schemas["ChatRequest"]["required"] == ["model", "messages"]
    assert schemas["Level"]["enum"] == ["public", "internal", "confidential", "restricted", "secret"]


def test_a_status_that_an_error_can_have_is_described_somewhere(parts: AppParts) -> None:
    described = {
        int(status)
        for path in create_app(parts).openapi()["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
    }
    # What comes before a route is found, and what nobody is there to read.
    unseen = {405, 499}
    assert {row.status for row in TABLE.values()} - described <= unseen
