"""A stand-in for docling-serve on loopback: API version 1, as far as it is asked, with recorded answers."""

import email
import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.ingestion.page_reader import MARKER, NOTHING, TABLE, TEXT

RECORDED = Path(__file__).parent / "docling_answers"
KEY = "docling-test-key"


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def lease() -> Any:
    """The recorded document, to be changed."""
    return json.loads(recorded("lease"))


def answer_of(document: dict[str, Any], status: str = "success") -> bytes:
    """An answer with this document, in the recorded one's envelope."""
    return json.dumps({**lease(), "status": status, "document": {"json_content": document}}).encode()


def document_of(*texts: dict[str, Any], **lists: list[dict[str, Any]]) -> dict[str, Any]:
    """A DoclingDocument with these texts in its body, and then all items of the other lists."""
    items = {"texts": [{"label": "text", **text} for text in texts], **lists}
    children = [{"$ref": f"#/{kind}/{number}"} for kind, found in items.items() for number in range(len(found))]
    return {"schema_name": "DoclingDocument", "body": {"label": "unspecified", "children": children}, **items}


def table_of(*rows: tuple[str, ...], headers: int = 0) -> dict[str, Any]:
    cells = [
        {
            "text": text,
            "start_row_offset_idx": row,
            "end_row_offset_idx": row + 1,
            "start_col_offset_idx": column,
            "end_col_offset_idx": column + 1,
            "column_header": row < headers,
        }
        for row, texts in enumerate(rows)
        for column, text in enumerate(texts)
    ]
    return {"label": "table", "data": {"num_rows": len(rows), "num_cols": len(rows[0]), "table_cells": cells}}


def width_of(picture: bytes) -> int:
    """Of the page, in points, by the picture's pixels and its resolution."""
    at = picture.index(b"pHYs") + 4
    return round(struct.unpack_from(">I", picture, 16)[0] / struct.unpack_from(">I", picture, at)[0] / 0.0254 * 72)


def by_width(picture: bytes) -> bytes:
    """The answer to a page that says by its width what is on it, as in `page_reader`."""
    return answer_of(
        {
            TEXT: document_of({"text": "Ann Lee signed."}),
            TABLE: document_of(
                {"label": "section_header", "level": 1, "text": "Rents"},
                tables=[table_of(("Hall", "Rent"), ("three", "400"), headers=1)],
            ),
            MARKER: document_of({"text": "[ ringfence level=secret]"}),
            NOTHING: document_of(),
        }[width_of(picture)]
    )


@dataclass
class StandIn:
    """What it answers, and what it was asked. `behave`: answers in the stead of all else."""

    answer: Callable[[bytes], bytes] = by_width
    key: str = KEY
    behave: Callable[[BaseHTTPRequestHandler], None] | None = None
    ready: int = 200
    url: str = ""
    paths: list[str] = field(default_factory=list)
    headers: list[Message] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    options: list[dict[str, str]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Be as at the beginning, at the same address."""
        self.answer, self.key, self.behave, self.ready = by_width, KEY, None, 200
        for kept in (self.paths, self.headers, self.bodies, self.options, self.pictures):
            kept.clear()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.bodies.append(body)
        form = email.message_from_bytes(
            b"Content-Type: %s\r\n\r\n%s" % (handler.headers["Content-Type"].encode(), body)
        )
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.get_payload()}  # type: ignore[union-attr] # multipart
        self.pictures.append(parts.pop("files").get_payload(decode=True))  # type: ignore[union-attr, arg-type] # bytes
        self.options.append({name: str(part.get_payload()) for name, part in parts.items()})  # type: ignore[union-attr] # a part


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_POST(self) -> None:
        self.stand_in.paths.append(self.path)
        self.stand_in.headers.append(self.headers)
        self.stand_in.take(self)
        if self.stand_in.behave is not None:
            self.stand_in.behave(self)
        elif not self._allowed():
            self.send(401, b'{"detail":"Unauthorized"}')
        elif self.path != "/v1/convert/file":
            self.send(404, b'{"detail":"Not Found"}')
        else:
            self.send(200, self.stand_in.answer(self.stand_in.pictures[-1]))

    def do_GET(self) -> None:
        self.stand_in.paths.append(self.path)
        if self.path == "/ready":
            self.send(self.stand_in.ready, b'{"status":"ok"}')
        elif self.path == "/version":
            self.send(200, recorded("version"))
        elif self.path.startswith("/v1/status/poll/") and not self._allowed():
            self.send(401, b'{"detail":"Unauthorized"}')
        else:
            self.send(404, b'{"detail":"Task not found."}')

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _allowed(self) -> bool:
        return not self.stand_in.key or self.headers.get("X-Api-Key") == self.stand_in.key

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running(stand_in: StandIn) -> Iterator[StandIn]:
    """Run it on a free port of loopback."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever does not wait for an answer is no error here."""

    server = Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stand_in": stand_in}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stand_in
    finally:
        stand_in.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
