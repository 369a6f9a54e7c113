"""Every way in which text can leave the house, asked as one person and read as plain strings."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from mcp.shared.exceptions import MCPError

from evals.company import StoredSection
from evals.leak.agents import Through, agent, status_of
from evals.leak.outputs import Output, all_text, all_texts, events_of, json_of
from evals.questions import TENANT
from rag.api.parts import QuestionPath
from rag.domain import Answer, Principal, PrincipalSource, Span
from rag.errors import RingfenceError
from rag.query.parts import Options

QUESTION_SURFACES = ("search", "ask", "chat", "stream")
"""The surfaces that take a question."""
HTTP_SURFACES = ("search", "chat", "stream")
"""Those of them that a caller elsewhere has."""
AGENT_SURFACES = ("mcp_search", "mcp_ask")
"""The same two for agents: the path below is the one of `search` and `chat`, so a sample of the questions is enough."""
SEARCH_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Caller:
    """One person, perhaps through an assistant, at all surfaces of a service; `sent` are the headers that say who."""

    person: str
    assistant: str | None
    client: httpx.AsyncClient
    sent: Mapping[str, str] = field(repr=False)

    @property
    def callers(self) -> tuple[str, ...]:
        return (self.person,) if self.assistant is None else (self.person, self.assistant)

    @property
    def name(self) -> str:
        return " via ".join(self.callers)

    @property
    def surfaces(self) -> Mapping[str, Callable[[str], Awaitable[Output]]]:
        """The surfaces that take a question, by name."""
        return {name: getattr(self, name) for name in (*HTTP_SURFACES, *AGENT_SURFACES)}

    async def search(self, question: str) -> Output:
        response = await self._post("/v1/search", {"query": question, "limit": SEARCH_LIMIT})
        hits = json_of(response).get("data", []) if response.status_code == httpx.codes.OK else []
        documents = frozenset(str(hit["document"]) for hit in hits)
        return Output(response.status_code, all_text(response), "", bool(hits), documents)

    async def chat(self, question: str) -> Output:
        response = await self._post("/v1/chat/completions", _chat(question, stream=False))
        body = json_of(response)
        if response.status_code != httpx.codes.OK:
            return Output(response.status_code, all_text(response))
        record = body["ringfence"]
        cited = frozenset(citation["document"] for citation in record["citations"])
        answer = body["choices"][0]["message"]["content"]
        return Output(response.status_code, all_text(response), answer, bool(record["found"]), cited)

    async def stream(self, question: str) -> Output:
        response = await self._post("/v1/chat/completions", _chat(question, stream=True))
        events = events_of(response)
        pieces = [c["delta"].get("content") or "" for e in events for c in e.get("choices", [])]
        nothing: dict[str, Any] = {"found": False, "citations": []}
        record = next((e["ringfence"] for e in events if "ringfence" in e), nothing)
        text = "\n".join([all_text(response), "".join(pieces)])
        cited = frozenset(citation["document"] for citation in record["citations"])
        return Output(response.status_code, text, "".join(pieces), bool(record["found"]), cited)

    async def mcp_search(self, question: str) -> Output:
        return await self._call_tool("search", {"query": question, "limit": SEARCH_LIMIT})

    async def mcp_ask(self, question: str) -> Output:
        return await self._call_tool("ask", {"question": question})

    async def mcp_open(self, section: StoredSection, span: Span) -> Output:
        """A section by the form of link that the service tells agents, whether or not she was ever given it."""
        through = Through(self.client)
        status: int = httpx.codes.OK
        async with agent(through, self._root, self.sent) as client:
            template = (await client.list_resource_templates()).resource_templates[0].uri_template
            uri = template.format(document=section.document, version=section.version, start=span.start, end=span.end)
            try:
                await client.read_resource(uri)
            except MCPError as refusal:
                hidden = refusal.error.data == {"code": "not_found"}
                status = httpx.codes.NOT_FOUND if hidden else httpx.codes.INTERNAL_SERVER_ERROR
        return Output(status, all_texts(through.seen), found=status == httpx.codes.OK)

    async def open(self, section: StoredSection, span: Span, accept: str = "application/json") -> Output:
        """A citation's link to a section, whether or not she was ever given it."""
        url = f"/api/v1/documents/{section.document}/versions/{section.version}/passage"
        response = await self.client.get(
            url, params={"start": span.start, "end": span.end}, headers={**self.sent, "Accept": accept}
        )
        return Output(response.status_code, all_text(response), found=response.status_code == httpx.codes.OK)

    async def get(self, url: str) -> Output:
        response = await self.client.get(url, headers=self.sent)
        return Output(response.status_code, all_text(response))

    async def post(self, url: str, body: Mapping[str, Any]) -> Output:
        response = await self._post(url, body)
        return Output(response.status_code, all_text(response))

    async def _call_tool(self, tool: str, arguments: dict[str, Any]) -> Output:
        through = Through(self.client)
        async with agent(through, self._root, self.sent) as client:
            result = await client.call_tool(tool, arguments)
        text = all_texts(through.seen)
        if result.is_error:
            return Output(status_of(result.meta), text)
        record = result.structured_content
        shown = record["passages"] if tool == "search" else record["citations"]
        found = bool(record.get("found", shown))
        return Output(httpx.codes.OK, text, record.get("text", ""), found, frozenset(one["document"] for one in shown))

    @property
    def _root(self) -> str:
        return str(self.client.base_url).rstrip("/")

    async def _post(self, url: str, body: Mapping[str, Any]) -> httpx.Response:
        return await self.client.post(url, json=body, headers=self.sent)


@dataclass(frozen=True, slots=True)
class Asker(Caller):
    """The same on the parts of this process, where the path itself can be asked as well."""

    path: QuestionPath

    @property
    def surfaces(self) -> Mapping[str, Callable[[str], Awaitable[Output]]]:
        """The surfaces that take a question, by name."""
        return {name: getattr(self, name) for name in (*QUESTION_SURFACES, *AGENT_SURFACES)}

    async def ask(self, question: str) -> Output:
        """The path itself, as `ringfence ask` runs it without a service."""
        principal = Principal(TENANT, self.person, frozenset(), self.assistant, PrincipalSource.OPERATOR)
        pieces: list[str] = []
        answer: Answer | None = None
        try:
            async for event in self.path.ask(question, principal, Options()):
                if isinstance(event, Answer):
                    answer = event
                else:
                    pieces.append(event)
        except RingfenceError as refusal:
            return Output(httpx.codes.INTERNAL_SERVER_ERROR, "".join([*pieces, refusal.message]))
        if answer is None:
            return Output(httpx.codes.INTERNAL_SERVER_ERROR, "".join(pieces))
        quotes = [part for c in answer.citations for part in (c.document, c.version, c.chunk, c.title, c.quote)]
        text = "\n".join(["".join(pieces), answer.text, *quotes])
        return Output(200, text, answer.text, answer.found, frozenset(c.document for c in answer.citations))


def _chat(question: str, *, stream: bool) -> dict[str, Any]:
    return {"model": "ringfence", "messages": [{"role": "user", "content": question}], "stream": stream}
