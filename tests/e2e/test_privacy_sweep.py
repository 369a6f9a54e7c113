"""Planted values in documents, names, questions and headers, every error that can be provoked, and then a search of
all that came out and every byte that stayed behind."""

import json
import os
import re
import signal
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.copies import copy_folder
from tests.e2e.canaries import ASKED, IBAN, MAIL, NAME, PHONE, SECRET, VALUES, WORD, found, found_below
from tests.e2e.conftest import CommandLine, wait_until_ready
from tests.e2e.forks import forks
from tests.ports import free_port

pytestmark = pytest.mark.timeout(600)  # several processes load the models, on a machine that may be busy

ALL = {**VALUES, **ASKED, **WORD}
NEVER = {**VALUES, **ASKED}
TEXT = f"""# Appraisal

{NAME} asked for a xylophantine desk in the harbour office. Write to {MAIL} or call {PHONE}.
Her salary goes to the account {IBAN} at the end of each month. The feed is read with {SECRET} every night.
"""
DOCUMENTS: dict[str, str | bytes] = {
    "hr/ringfence.yaml": "department: hr\nlevel: confidential\n",
    f"hr/{NAME} appraisal.md": TEXT,
    "hr/Quorndon family/notes.txt": f"The holiday of {NAME} begins in May.\n",
    "hr/mail.eml": f"From: {NAME} <{MAIL}>\nTo: desk@zimbrel.example\nSubject: Leave of {NAME}\n\nI leave in May.\n",
    "hr/staff.csv": f"name,email,phone,iban\n{NAME},{MAIL},{PHONE},{IBAN}\n",
    f"hr/broken {NAME}.pdf": f"%PDF-1.7\n{NAME} {MAIL} xylophantine".encode(),
    "hr/broken.docx": b"PK\x03\x04" + TEXT.encode(),
    "hr/latin.txt": f"{NAME} caf".encode() + b"\xe9\xff\xfe " + MAIL.encode(),
    "hr/nothing.json": f'{{"name": "{NAME}", '.encode(),
    "bad/ringfence.yaml": f"department: [{NAME}, xylophantine\n",
    "bad/file.txt": f"{NAME} again, xylophantine.\n",
}
KINDS = ["PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "IBAN_CODE", "SECRET"]
POLICY: dict[str, list[dict[str, Any]]] = {
    "rules": [
        {"subject": "role:reader", "action": "read", "department": "hr"},
        {"subject": "user:ann", "action": [f"unmask:{kind}" for kind in KINDS], "department": "hr"},
        {"subject": "user:carl", "action": "read", "department": "canteen"},
    ],
    "links": [{"member": f"user:{name}", "parent": "role:reader"} for name in ("ann", "bob")],
}
QUESTIONS = (
    f"Which desk did {NAME} ask for?",
    "Where does the salary go at the end of each month?",
    f"What did {ASKED['asked name']} ({ASKED['asked mail']}) say about the desk in the harbour office?",
    f"Write to {MAIL} or call {PHONE}",
)
_LINK = re.compile(r"/api/v1/documents/[\w/]+passage\?start=\d+&end=\d+")
_DOCUMENT = re.compile(r"doc_[0-9a-f]{32}")
_TOKEN = re.compile(r"[A-Z_]+_[0-9A-Z]{16}")


@dataclass
class Swept:
    """What came out, by where it came out. `answers` are to people, by name."""

    command: CommandLine
    printed: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, list[bytes]] = field(default_factory=lambda: {"ann": [], "bob": [], "carl": []})
    refused: list[bytes] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def run(self, *arguments: str, **more: str) -> str:
        """A command, whatever its exit code; what it printed is kept."""
        env, folder = {**self.command.environment(), **more}, self.command.data_dir.parent
        done = forks().run(arguments, env=env, cwd=folder, timeout_s=170, verbose=True)
        words = " ".join(word for word in arguments[:2] if word.isalpha())
        self.printed[f"{len(self.printed)} {words}"] = done.stdout + done.stderr
        return done.stdout.decode()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    root = tmp_path_factory.mktemp("sweep")
    for name, content in DOCUMENTS.items():
        (root / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "docs" / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (root / "tmp").mkdir()
    (root / "policy.yaml").write_text(json.dumps(POLICY))
    down = {
        "RINGFENCE_GENERATOR__KIND": "openai",
        "RINGFENCE_GENERATOR__BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
        "RINGFENCE_GENERATOR__MODEL": "none",
        "RINGFENCE_GENERATOR__ATTEMPTS": "1",
    }
    sweep = Swept(
        CommandLine(root / "data", tuple({"TMPDIR": str(root / "tmp"), "RINGFENCE_TENANT": "acme", **down}.items()))
    )
    sweep.run("policy", "load", str(root / "policy.yaml"), "--reason", "start")
    sweep.run("ingest", str(root / "docs"), "--json")
    with serving_verbosely(sweep) as url:
        ask_everything(sweep, url)
        _commands(sweep)
    _broken_installations(sweep)
    return sweep


@contextmanager
def serving_verbosely(sweep: Swept) -> Iterator[str]:
    """`ringfence serve` with every logger wide open; what it wrote is kept when it has ended."""
    port, log = free_port(), sweep.command.data_dir.parent / "serve.log"
    env, line = {**sweep.command.environment(), "PYTHONASYNCIODEBUG": "1"}, ["serve", "--port", str(port)]
    with log.open("wb") as output:
        process = forks().start(line, env=env, cwd=log.parent, stdout=output, stderr=output, verbose=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        sweep.printed["serve"] = log.read_bytes()


def ask_everything(sweep: Swept, url: str) -> None:
    """Each question at each surface as each person, the links in the answers, and what must go wrong."""
    key = (sweep.command.data_dir / "operator.key").read_text().strip()
    odd = {"X-Request-Id": NAME, "User-Agent": f"{NAME} {ASKED['asked mail']}", "Referer": f"http://x/{MAIL}"}
    base = {"Authorization": f"Bearer {key}", "X-Ringfence-Tenant": "acme", **odd}
    with httpx.Client(base_url=url, headers=base, timeout=120, trust_env=False) as client:
        for person in sweep.answers:
            _as_person(sweep, client, person)
        _errors(sweep, client)


def _as_person(sweep: Swept, client: httpx.Client, person: str) -> None:
    def keep(response: httpx.Response) -> httpx.Response:
        sweep.answers[person].append(str(response.headers).encode() + response.content)
        sweep.statuses.add(response.status_code)
        return response

    named = {"X-Ringfence-Person": person}
    links: set[str] = set()
    documents: set[str] = set()
    for question in QUESTIONS:
        keep(client.post("/v1/search", json={"query": question}, headers=named))
        for tool, argument in (("search", "query"), ("ask", "question")):
            keep(
                client.post(
                    "/mcp", json=_message("tools/call", name=tool, arguments={argument: question}), headers=named
                )
            )
        for stream in (False, True):
            body = {"model": "ringfence", "messages": [{"role": "user", "content": question}], "stream": stream}
            text = keep(client.post("/v1/chat/completions", json=body, headers=named)).text
            links |= set(
                re.findall(r"/api/v1/documents/[\w/]+passage\?start=\d+&end=\d+", text.replace("\\u0026", "&"))
            )
            documents |= set(re.findall(r"doc_[0-9a-f]{32}", text))
    for link in sorted(links):
        for accept in ("application/json", "text/html"):
            keep(client.get(link, headers={**named, "Accept": accept}))
    tokens = sorted(set(_TOKEN.findall(b"".join(sweep.answers["ann"] + sweep.answers["bob"]).decode())))[:50]
    for document in sorted(documents) if tokens else ():
        keep(client.post("/api/v1/privacy/unmask", json={"document": document, "tokens": tokens}, headers=named))


def _message(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _errors(sweep: Swept, client: httpx.Client) -> None:
    """Requests that are refused, each with planted values in it."""
    named = {"X-Ringfence-Person": "bob"}
    said = " ".join(ASKED.values()) + f" {NAME} {MAIL} {IBAN} xylophantine"
    message = [{"role": "user", "content": said}]
    chat, json_type = "/v1/chat/completions", {"Content-Type": "application/json"}
    search, unmask = "/v1/search", "/api/v1/privacy/unmask"
    asked = {"model": "ringfence", "messages": message}
    passage = f"/api/v1/documents/{NAME}/versions/{MAIL}/passage?start={IBAN}&end=2"
    requests: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", chat, f'{{"messages": "{said}', json_type),
        ("POST", chat, said, {"Content-Type": f"text/{NAME}"}),
        ("POST", chat, {**asked, "model": said}, {}),
        ("POST", chat, {**asked, "messages": said}, {}),
        ("POST", chat, {**asked, "tools": [said]}, {}),
        ("POST", chat, {**asked, "messages": message * 600}, {}),
        ("POST", search, {"query": said * 60}, {}),
        ("POST", search, {"query": said, "limit": said}, {}),
        ("POST", search, {"query": f"{said}\x00"}, {}),
        ("POST", search, {"query": said}, {"X-Ringfence-Person": ASKED["asked mail"]}),
        ("POST", search, {"query": said}, {"X-Ringfence-Person": NAME}),
        ("POST", search, {"query": said}, {"X-Ringfence-Tenant": NAME}),
        ("POST", search, {"query": said}, {"X-Ringfence-Assistant": NAME}),
        ("POST", search, {"query": said}, {"Authorization": f"Bearer {SECRET}"}),
        ("POST", search, said * 20_000, json_type),
        ("POST", "/mcp", f'{{"method": "{said}', json_type),
        ("POST", "/mcp", {"id": said, "method": said}, {}),
        ("POST", "/mcp", _message(said), {}),
        ("POST", "/mcp", _message("tools/call", name=said), {}),
        ("POST", "/mcp", _message("tools/call", name="ask", arguments={said: said}), {}),
        ("POST", "/mcp", _message("tools/call", name="search", arguments={"query": said, "limit": said}), {}),
        ("POST", "/mcp", _message("resources/read", uri=f"http://127.0.0.1/{said}"), {}),
        ("POST", "/mcp", _message("tools/list"), {"MCP-Protocol-Version": NAME}),
        ("POST", unmask, {"document": "doc_x", "tokens": [NAME]}, {}),
        ("POST", unmask, {"document": NAME, "tokens": [SECRET]}, {}),
        ("POST", unmask, {said: said}, {}),
        ("POST", "/api/v1/policy/explain", {"person": NAME, "document": MAIL}, {}),
        ("GET", passage, None, {}),
        ("GET", f"/{NAME}?q={MAIL}", None, {}),
        ("DELETE", f"/v1/models?{MAIL}", None, {}),
        ("GET", "/metrics", None, {}),
        ("GET", "/readyz", None, {}),
    ]
    for method, path, body, headers in requests:
        sent = {"content": body.encode()} if isinstance(body, str) else {"json": body}
        response = client.request(method, path, headers={**named, **headers}, **sent)
        sweep.statuses.add(response.status_code)
        sweep.refused.append(str(response.headers).encode() + response.content)


def _commands(sweep: Swept) -> None:
    """The commands that look at what is there, while the service runs."""
    documents = json.loads(sweep.run("documents", "list", "--json"))["documents"]
    sweep.run("documents", "list")
    sweep.run("documents", "show", documents[0]["document"])
    sweep.run("audit", "show", "--json")
    sweep.run("audit", "verify")
    sweep.run("doctor")
    sweep.run("ask", QUESTIONS[0], "--as", "bob")
    sweep.run("privacy", "unmask", NAME, "--document", documents[0]["document"], "--as", "bob")


def _broken_installations(sweep: Swept) -> None:
    """The same data behind another master key, one that is none, a damaged database, and no folder at all."""
    other_key = b64encode(b"\x09" * 32).decode()
    sweep.run("ask", QUESTIONS[0], "--as", "bob", RINGFENCE_PRIVACY__MASTER_KEY=other_key)
    sweep.run("ask", QUESTIONS[0], "--as", "bob", RINGFENCE_PRIVACY__MASTER_KEY=f"{NAME} {SECRET}")
    damaged = sweep.command.data_dir.with_name("damaged")
    copy_folder(sweep.command.data_dir, damaged)
    with sqlite3.connect(damaged / "ringfence.db") as database:
        database.execute("UPDATE vault_entry SET sealed = zeroblob(40)")
    database.close()
    sweep.run("ask", QUESTIONS[0], "--as", "ann", RINGFENCE_DATA_DIR=str(damaged))
    with (damaged / "ringfence.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(200_000))
    sweep.run("ask", QUESTIONS[0], "--as", "bob", RINGFENCE_DATA_DIR=str(damaged))


def test_the_sweep_really_went_everywhere(swept: Swept) -> None:
    """Else it would find nothing because nothing was there."""
    assert {200, 400, 401, 404, 405, 413, 415, 422} <= swept.statuses
    assert b"xylophantine" in b"".join(swept.answers["bob"])
    assert b"<PERSON_" in b"".join(swept.answers["bob"])
    assert b'"failed": 0' not in swept.printed["1 ingest"]
    assert NAME.encode() in swept.printed["1 ingest"]
    assert len(swept.printed["serve"]) > 1000


def test_who_may_unmask_sees_every_value_but_the_secret(swept: Swept) -> None:
    """The twin of all that follows: the values are there, and given back."""
    assert found(b"".join(swept.answers["ann"]), VALUES) == VALUES.keys() - {"secret", "phone digits"}


def test_others_see_no_value_in_any_response(swept: Swept) -> None:
    seen = {"bob": NEVER, "carl": ALL, "refused": ALL}
    responses = {**swept.answers, "refused": swept.refused}
    hits = [(who, found(one, values), one[:2000]) for who, values in seen.items() for one in responses[who]]
    assert [hit for hit in hits if hit[1]] == []


def test_nothing_that_was_printed_or_logged_holds_a_value(swept: Swept) -> None:
    """Except that the report of an ingestion names the files that the operator gave it, by the paths she gave."""
    printed = dict(swept.printed)
    for name in sorted(DOCUMENTS, key=len, reverse=True):
        printed["1 ingest"] = printed["1 ingest"].replace(name.encode(), b"")
    hits = {where: found(text, NEVER) for where, text in printed.items()}
    assert {where: names for where, names in hits.items() if names} == {}
    assert found(printed["serve"], WORD) == set()


def test_no_byte_left_behind_holds_a_value(swept: Swept) -> None:
    root = swept.command.data_dir.parent
    assert found_below(swept.command.data_dir, NEVER) == {}
    assert found_below(root / "tmp", ALL) == {}
    assert set(found_below(swept.command.data_dir, WORD)) <= {"ringfence.db", "ringfence.db-wal"}
