"""A tenant whose policy is administered by people of several kinds, and how they speak to its routes.

ada administers the whole tenant, dora its department hr up to confidential, ann and bob nothing. The assistant
`editor` may administer what is internal in hr, `helpdesk` nothing.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from policies.edits import Edit
from policies.rules import Attributes, Level, RoleLink, Rule
from policies.store import PolicyStore
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.db.tables import DocumentRow

ROOT = "/api/v1/policy"
RULES = (
    Rule("user:ada", "acme", "administer"),
    Rule("user:dora", "acme", "administer", "hr", level=Level.CONFIDENTIAL),
    Rule("assistant:editor", "acme", "administer", "hr", level=Level.INTERNAL),
    Rule("role:hr-reader", "acme", "read", "hr", level=Level.INTERNAL),
    Rule("role:hr-head", "acme", "read", "hr", level=Level.RESTRICTED),
    Rule("role:finance-reader", "acme", "read", "finance", level=Level.INTERNAL),
)
LINKS = (
    RoleLink("user:ann", "role:hr-reader", "acme"),
    RoleLink("group:merger", "compartment:merger", "acme"),
)
DOCUMENTS = (
    Attributes("acme", "doc_handbook", "hr", Level.INTERNAL),
    Attributes("acme", "doc_wages", "hr", Level.CONFIDENTIAL, owner="user:bob"),
    Attributes("acme", "doc_budget", "finance", Level.INTERNAL, shares=frozenset({"group:both"})),
    Attributes("acme", "doc_trap", "hr", Level.RESTRICTED, frozenset({"canary"})),
)
EPOCH = 1


async def fill(database: Database) -> None:
    """Give tenant acme its policy, as epoch 1, and its documents."""
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply("acme", Edit(RULES, (), LINKS), author="operator:setup", reason="first")
        session.add_all(document_row(attributes) for attributes in DOCUMENTS)


def document_row(labels: Attributes) -> DocumentRow:
    return DocumentRow(
        id=labels.document, tenant=labels.tenant, source="test", path_digest=labels.document, path="a", title="a",
        media_type="text/plain", department=labels.department, level=int(labels.level), tags=sorted(labels.tags),
        owner=labels.owner, shares=sorted(labels.shares), denied_shares=[], compartments=[], current_version=None,
        flags=[], updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def hr(subject: str = "user:bob", **columns: Any) -> dict[str, Any]:
    """A rule that dora may write, as a line."""
    return {"subject": subject, "action": "read", "department": "hr", "level": "internal", **columns}


@dataclass(frozen=True)
class Speaker:
    """Somebody at the policy's routes. Edits carry the tag that she read last, unless told otherwise."""

    client: httpx.AsyncClient
    headers: dict[str, str]

    async def get(self, path: str = "", **query: Any) -> httpx.Response:
        return await self.client.get(ROOT + path, params=query, headers=self.headers)

    async def tag(self) -> str:
        return (await self.get()).headers["ETag"]

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        return await self.client.post(ROOT + path, json=body, params=query, headers=self.headers | (headers or {}))

    async def edit(self, *, key: str | None = None, tag: str | None = None, **body: Any) -> httpx.Response:
        headers = {"If-Match": tag or await self.tag()} | ({} if key is None else {"Idempotency-Key": key})
        return await self.post("/edits", {"reason": "because", **body}, headers)

    async def put(self, text: str, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        sent = {"Content-Type": "application/yaml", **self.headers, **(headers or {})}
        return await self.client.put(ROOT, content=text, params=query, headers=sent)


async def records(database: Database, kind: str) -> list[dict[str, Any]]:
    """The bodies of acme's audit records of one kind, oldest first."""
    async with database.reading() as session:
        found = await AuditLog().recent(session, "acme", limit=200)
    return [json.loads(record.body) for record in found if record.kind == kind]


def code(response: httpx.Response) -> tuple[int, str | None]:
    """The status, and the code of a problem."""
    if response.status_code < 400:
        return response.status_code, None
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]
