"""A model server on loopback whose answers can be held between two sentences: "in flight" as a state, not a moment.

It writes every sentence of the passage that shares most words with the question, one event each.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rag.generation.sentences import Kind, split_sentences
from rag.generation.words import content_of, coverage
from tests.generation.stand_in import event
from tests.generation.stand_in_model import PASSAGE, QUESTION

HELD_S_MAX = 30.0
"""A test that forgets to let go fails; it does not hang."""


@dataclass
class Gate:
    """Where answers wait: before their sentence number `before`, counted from 0."""

    before: int
    reached: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    opened: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, answers: int) -> None:
        """Return when so many answers stand before the gate."""
        for _ in range(answers):
            assert self.reached.acquire(timeout=HELD_S_MAX), "an answer never reached the gate"

    def open(self) -> None:
        self.opened.set()


class HeldModel:
    """`base_url` is the root of its API. Use `held_model`."""

    def __init__(self) -> None:
        self.base_url = ""
        self._gate: Gate | None = None

    @contextmanager
    def held(self, *, before: int) -> Iterator[Gate]:
        """Every answer begun in here waits before the given sentence, until the gate is opened or left."""
        gate = self._gate = Gate(before)
        try:
            yield gate
        finally:
            self._gate = None
            gate.open()

    def write(self, body: dict[str, Any]) -> Iterator[bytes]:
        gate = self._gate
        for number, sentence in enumerate(sentences_for(body)):
            if gate is not None and number == gate.before:
                gate.reached.release()
                gate.opened.wait(HELD_S_MAX)
            yield event({"content": sentence})
        yield event({"content": ""}, "stop") + b"data: [DONE]\n\n"


def sentences_for(body: dict[str, Any]) -> list[str]:
    """The nearest passage's sentences with its number, one a line, or what the prompt asks for where none is near."""
    user = body["messages"][-1]["content"]
    asked = QUESTION.search(user)
    wanted = content_of(asked.group(1) if asked else "")
    scored = [(coverage(wanted, content_of(text)), number, text) for number, text in PASSAGE.findall(user)]
    nearness, number, text = max(scored, default=(0.0, "", ""))
    if nearness < 0.5:
        return ["NOT_FOUND"]
    found = [sentence.of(text) for sentence in split_sentences(text) if sentence.kind is Kind.PROSE]
    return [f"{sentence.rstrip('.')} [{number}].\n" for sentence in found]


@contextmanager
def held_model() -> Iterator[HeldModel]:
    """Serve until the end of the block, in threads of its own."""
    model = HeldModel()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.endswith("/chat/completions"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.end_headers()
            # The service leaves in mid-answer when a right is lost; that is what is tested.
            with contextlib.suppress(ConnectionError):
                for written in model.write(body):
                    self.wfile.write(written)
                    self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        model.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield model
        finally:
            server.shutdown()
            serving.join()
