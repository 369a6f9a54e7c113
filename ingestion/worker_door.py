"""What a worker tells of itself over HTTP: `/livez`, and `/metrics` for Prometheus. No names, no tenants.

Off unless `ingestion.worker_port` is set. It answers whoever reaches it, so it listens on this machine alone unless
`ingestion.worker_host` says otherwise.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from ingestion.worker import End
from rag.errors import Misuse

SILENT_S = 30.0
"""A worker that the job table has not answered for so long is not live."""
READ_S = 5.0


class WorkerMetrics:
    """One worker's counters, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "ringfence_worker_jobs", "Jobs that ended at this worker, by how.", ("end",), registry=registry
        )
        self._in_hand = Gauge("ringfence_worker_jobs_in_hand", "Jobs that this worker works on.", registry=registry)
        self._looked = Gauge(
            "ringfence_worker_looked_timestamp_seconds",
            "When the job table last answered this worker.",
            registry=registry,
        )

    def ended(self, end: End) -> None:
        self._ended.labels(end).inc()

    def watch(self, *, in_hand: Callable[[], int], silent_s: Callable[[], float]) -> None:
        """Read these whenever the gauges are read."""
        self._in_hand.set_function(in_hand)
        self._looked.set_function(lambda: time.time() - silent_s())


def new_registry() -> CollectorRegistry:
    """A registry with what there is to know about this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


@contextmanager
def open_door(host: str, port: int, registry: CollectorRegistry, silent_s: Callable[[], float]) -> Iterator[int]:
    """Answer in a thread of its own; gives the port. `silent_s`: since when the job table has not answered, in seconds.

    Raises:
        Misuse: nothing can be opened there.
    """

    class Answer(BaseHTTPRequestHandler):
        timeout = READ_S

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/livez":
                live = silent_s() < SILENT_S
                status = HTTPStatus.OK if live else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", b'{"live": true}' if live else b'{"live": false}')
            else:
                self._answer(HTTPStatus.NOT_FOUND, "application/json", b'{"code": "not_found"}')

        def _answer(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "ringfence"

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: a check of health every few seconds is no news."""

    try:
        server = ThreadingHTTPServer((host, port), Answer)
    except OSError as cause:
        raise Misuse(
            f"A worker cannot listen on {host}:{port} ({cause.strerror}). Set RINGFENCE_INGESTION__WORKER_HOST and "
            "RINGFENCE_INGESTION__WORKER_PORT; several workers on one machine need a port each."
        ) from cause
    thread = threading.Thread(target=server.serve_forever, name="ringfence-worker-door", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
