"""The web server around the application: where it listens, when it is ready, how it stops."""

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from rag.api.connection import protocol_for
from rag.errors import Conflict
from rag.settings import ServiceSettings

GRACE_S = 10
"""After Ctrl-C, answers on their way may take this long to finish."""


def uvicorn_config(app: ASGIApp, service: ServiceSettings) -> uvicorn.Config:
    """Server settings that keep the caller's address true and the log ours."""
    return uvicorn.Config(
        app,
        http=protocol_for(service),
        limit_concurrency=service.connections_max + 1,  # uvicorn refuses from that many on, the new one among them
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # A header must not decide who counts as this machine.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


async def run_server(config: uvicorn.Config, listening: socket.socket, started: Callable[[], None]) -> None:
    """Serve on `listening` until a signal; `started` is called once requests are answered."""
    await QuietServer(config, started).serve(sockets=[listening])


class QuietServer(uvicorn.Server):
    """Says when it is ready, and ends quietly on a signal, so that what is open around it is closed in order."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._when_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send what they are given at once.

    asyncio sees to that only for sockets that name their protocol, which those of `create_server` do not. Without it
    a body waits until the caller has acknowledged the headers: 40 ms on every answer of a kept connection.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=512)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
    return listening


def listen(service: ServiceSettings) -> socket.socket:
    """A listening socket on the configured address.

    Raises:
        Conflict: the port is taken, or the address is not this machine's; the message says what to do.
    """
    try:
        return open_socket(service.host, service.port)
    except OSError as cause:
        if cause.errno == errno.EADDRINUSE:
            raise Conflict(
                f"Port {service.port} on {service.host} is taken. Stop what uses it, or choose another with --port.",
                code="port_taken",
            ) from cause
        raise Conflict(
            f"Cannot listen on {service.host} port {service.port}: {cause.strerror or type(cause).__name__}.",
            code="cannot_listen",
        ) from cause


def local_url(service: ServiceSettings) -> str:
    """Where commands on this machine reach the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(service.host, service.host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{service.port}" if ":" in host else f"http://{host}:{service.port}"
