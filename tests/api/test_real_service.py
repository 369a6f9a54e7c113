"""The real thing: real documents, real models, real policy, behind the real application and the official client."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from rich.console import Console

from rag import cli
from rag.api.app import create_app
from rag.api.commands.asking import over_http
from rag.api.commands.explanation import print_explanation
from rag.api.composition import open_parts
from rag.api.parts import AppParts
from rag.audit.log import AuditLog
from rag.db.folder import DataFolder
from rag.identity.authenticate import authenticate
from rag.identity.credentials import Credentials
from rag.settings import Settings, load_settings
from tests.api.conftest import serving
from tests.api.test_cli import COMMANDS
from tests.api.test_metrics import documented

QUESTION = [{"role": "user", "content": "What is the maximum discount for a customer?"}]
DOCUMENTS = {
    "sales/ringfence.yaml": "department: sales\nlevel: confidential\n",
    "sales/discounts.md": "# Discounts\n\nThe maximum discount for a customer is 15 percent of the list price.\n",
    "staff/ringfence.yaml": "department: staff\nlevel: internal\n",
    "staff/canteen.md": "# Canteen\n\nThe canteen opens at noon and closes at two in the afternoon.\n",
}
POLICY = [
    ("add", "group:sales", "read", "--department", "sales"),
    ("add", "role:employee", "read", "--department", "staff"),
    ("link", "user:ann", "group:sales"),
    ("link", "user:ann", "role:employee"),
    ("link", "user:bob", "role:employee"),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A data folder filled by the real commands."""
    root = tmp_path_factory.mktemp("real")
    for name, content in DOCUMENTS.items():
        (root / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "documents" / name).write_text(content)
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
            patched.delenv(name)
        patched.setenv("RINGFENCE_DATA_DIR", str(root / "data"))
        patched.chdir(root)
        for line in POLICY:
            assert cli.main(["policy", *line, "--tenant", "acme", "--reason", "test"], COMMANDS) == 0
        assert cli.main(["ingest", str(root / "documents"), "--tenant", "acme"], COMMANDS) == 0
        yield load_settings()


@pytest.fixture
async def parts(settings: Settings) -> AsyncIterator[AppParts]:
    folder = DataFolder(Path(settings.data_dir))
    folder.own()
    try:
        async with open_parts(settings, folder) as opened:
            yield opened
    finally:
        folder.release()


def asking(url: str, key: str, person: str) -> openai.AsyncOpenAI:
    named = {"X-Ringfence-Tenant": "acme", "X-Ringfence-Person": person}
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, default_headers=named, max_retries=0)


async def test_two_people_get_what_each_may_read_by_every_surface(parts: AppParts, settings: Settings) -> None:
    key = DataFolder(settings.data_dir).operator_key()
    async with serving(parts) as url, asking(url, key, "ann") as ann, asking(url, key, "bob") as bob:
        answered = await ann.chat.completions.create(model="ringfence", messages=QUESTION)
        stream = await ann.chat.completions.create(model="ringfence", messages=QUESTION, stream=True)
        streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        refused = await bob.chat.completions.create(model="ringfence", messages=QUESTION)
        text = answered.choices[0].message.content or ""
        assert "15 percent" in text
        assert streamed == text
        assert "15 percent" not in refused.model_dump_json()
        assert refused.model_extra["ringfence"]["found"] is False
        link = answered.model_extra["ringfence"]["citations"][0]["url"].partition("/api/")[2]
        headers = {"Authorization": f"Bearer {key}", "X-Ringfence-Tenant": "acme"}
        async with httpx.AsyncClient(base_url=f"{url}/api/", headers=headers, timeout=30) as client:
            for person, status, found in (("ann", 200, True), ("bob", 404, False)):
                named = {"X-Ringfence-Person": person}
                passage = await client.get(link, headers=named)
                search = await client.post(f"{url}/v1/search", json={"query": "discount"}, headers=named)
                assert passage.status_code == status
                assert ("15 percent" in passage.text) is ("15 percent" in search.text) is found
                assert search.json()["timings"]["total_ms"] > 0
            assert (await client.get(f"{url}/readyz")).json() == {
                "ready": True,
                "parts": {"policy": True, "index": True},
            }
            assert (await client.post("v1/index/publish")).json()["versions"] == 0
            metrics = (await client.get(f"{url}/metrics")).text
            assert "ringfence_hits_refused_by_check_total 0.0" in metrics
            served = set(re.findall(r"^# TYPE (ringfence_\w+) (?:counter|gauge|histogram)$", metrics, re.MULTILINE))
            of_workers = {name for name in documented() if name.startswith("ringfence_worker_")}
            assert {name for name in served if not name.endswith("_created")} == documented().keys() - of_workers
            assert "ringfence_claims_verified_total 2.0" in metrics
            assert "ringfence_index_points 2.0" in metrics
    async with parts.database.reading() as session:
        verified = await AuditLog().verify(session, "acme")
    assert verified.intact
    assert verified.checked > 6


async def test_the_command_prints_why_an_answer_is_as_it_is(parts: AppParts, settings: Settings) -> None:
    """For bob, who may not read what answers: the document that does is not even named, and the rules say why."""
    headers = {"Authorization": f"Bearer {DataFolder(settings.data_dir).operator_key()}", "X-Ringfence-Tenant": "acme"}
    pieces: list[str] = []
    said: dict[str, str] = {}
    async with serving(parts) as url:
        for name, person, show in (("ann", "ann", None), ("stream", "ann", pieces.append), ("bob", "bob", None)):
            named = headers | {"X-Ringfence-Person": person}
            asked = partial(over_http, url, QUESTION[0]["content"], named, show, explain=True)
            said[name] = printed((await asyncio.to_thread(asked))["ringfence"]["explain"])
    assert "15 percent" in "".join(pieces)
    assert "group:sales may read all documents of sales" in said["ann"]
    assert "The maximum discount for a customer is 15 percent" in said["ann"]
    assert "supported" in said["ann"]
    assert said["stream"] == said["ann"]
    assert "sales" not in said["bob"]
    assert "role:employee may read all documents of staff" in said["bob"]


def printed(explanation: Mapping[str, Any]) -> str:
    """Every cell on one line."""
    console = Console(file=StringIO(), width=400)
    print_explanation(explanation, console)
    return console.file.getvalue()  # type: ignore[attr-defined]  # the buffer above


async def test_a_policy_edit_holds_on_the_next_question_and_on_old_links(parts: AppParts, settings: Settings) -> None:
    key = DataFolder(settings.data_dir).operator_key()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RINGFENCE_DATA_DIR", str(settings.data_dir))
        transport = httpx.ASGITransport(create_app(parts), client=("127.0.0.1", 1), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}", "X-Ringfence-Tenant": "acme", "X-Ringfence-Person": "ann"}
        async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
            body = {"model": "ringfence", "messages": QUESTION}
            before = (await client.post("/v1/chat/completions", json=body)).json()["ringfence"]
            link = before["citations"][0]["url"].partition(":8080")[2]
            assert (await client.get(link)).status_code == 200
            await _unlink("user:ann", "group:sales")
            after = (await client.post("/v1/chat/completions", json=body)).json()["ringfence"]
            assert (await client.get(link)).status_code == 404
            assert (before["found"], after["found"]) == (True, False)
            assert after["epoch"] == before["epoch"] + 1


async def _unlink(member: str, parent: str) -> None:
    """By the real command, in a thread of its own: it runs an event loop."""

    line = ["policy", "unlink", member, parent, "--tenant", "acme", "--reason", "test"]
    assert await asyncio.to_thread(cli.main, line, COMMANDS) == 0


async def test_nobody_unknown_to_the_policy_can_be_named(parts: AppParts, settings: Settings) -> None:
    key = DataFolder(settings.data_dir).operator_key()

    def named(person: str) -> Credentials:
        return Credentials((f"Bearer {key}",), person=(person,), tenant=("acme",), loopback=True)

    assert (await authenticate(named("bob"), parts.identity)).person == "user:bob"
    with pytest.raises(Exception, match="does not mention"):
        await authenticate(named("eve"), parts.identity)
