"""A service of documents on loopback, as deploy/source-protocol.md has it: what others would implement."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

TOKEN = "the-token-of-this-source"
PAGE = 2


@dataclass
class Held:
    path: str
    content: bytes
    revision: int
    changed: int
    readers: list[dict[str, str]]
    removed: bool = False


@dataclass
class Documents:
    """What the service holds. Every change gets the next number, which is what cursors are made of."""

    held: dict[str, Held] = field(default_factory=dict)
    number: int = 0
    fetched: list[str] = field(default_factory=list)
    unfetchable: set[str] = field(default_factory=set)
    broken: bool = False
    before_permissions: Any = None
    """Called between the two lists."""

    def write(self, path: str, content: str) -> None:
        self.number += 1
        known = self.of_path(path)
        readers = known.readers if known else [{"kind": "user", "id": "u-1"}, {"kind": "group", "id": "g-1"}]
        name = next((name for name, one in self.held.items() if one is known), f"id/{len(self.held)}?")
        self.held[name] = Held(path, content.encode(), self.number, self.number, readers)

    def of_path(self, path: str) -> Held | None:
        return next((one for one in self.held.values() if one.path == path and not one.removed), None)

    def change(self, path: str, /, **to: Any) -> None:
        self.number += 1
        held = self.of_path(path)
        assert held is not None
        held.changed = self.number
        for name, value in to.items():
            setattr(held, name, value)

    def since(self, since: str) -> list[tuple[str, Held]]:
        return [
            (name, one)
            for name, one in self.held.items()
            if one.changed > int(since or 0) and (since or not one.removed)
        ]


def application(documents: Documents) -> FastAPI:
    app = FastAPI()

    def require(request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise HTTPException(401)
        if documents.broken:
            raise HTTPException(500)

    def answer(name: str, entries: list[dict[str, Any]], since: str, page: str) -> dict[str, Any]:
        start = int(page or 0)
        body: dict[str, Any] = {
            name: entries[start : start + PAGE],
            "cursor": str(documents.number),
            "complete": not since,
        }
        return body | ({"next": str(start + PAGE)} if start + PAGE < len(entries) else {})

    @app.get("/documents")
    def listed(request: Request, since: str = "", page: str = "") -> dict[str, Any]:
        require(request)
        entries = [
            {"id": name, "removed": True}
            if one.removed
            else {"id": name, "path": one.path, "revision": str(one.revision), "size": len(one.content)}
            for name, one in documents.since(since)
        ]
        return answer("documents", entries, since, page)

    @app.get("/permissions")
    def permitted(request: Request, since: str = "", page: str = "") -> dict[str, Any]:
        require(request)
        if documents.before_permissions and not page:
            documents.before_permissions()
        entries = [
            {"id": name, "revision": str(one.revision), "owner": {"kind": "user", "id": "u-1"}, "readers": one.readers}
            for name, one in documents.since(since)
            if not one.removed
        ]
        return answer("permissions", entries, since, page)

    @app.get("/documents/{name:path}/content")
    def content(request: Request, name: str) -> Response:
        require(request)
        held = documents.held[name]
        if held.path in documents.unfetchable:
            raise HTTPException(503)
        documents.fetched.append(held.path)
        return Response(held.content, headers={"ETag": f'"{held.revision}"'}, media_type="application/octet-stream")

    return app


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of the application on loopback, while it is served."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
