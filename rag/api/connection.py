"""One connection: nobody holds one by sending slowly, or by not reading.

uvicorn bounds what a connection may hold in memory, and ends one that is idle between two requests. It waits for ever
for the rest of a request that has begun, and for a caller who does not read.
"""

import asyncio
import socket
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from rag.settings import ServiceSettings


def protocol_for(service: ServiceSettings) -> type[asyncio.Protocol]:
    """uvicorn's protocol, with the time limits of `service`."""

    class Bounded(_Bounded):
        head_timeout_s = service.head_timeout_s
        reader_timeout_s = service.reader_timeout_s

    return Bounded


class _Bounded(H11Protocol):
    head_timeout_s: float
    reader_timeout_s: float

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        super().connection_made(transport)
        _end_if_not_read(transport, self.reader_timeout_s)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._head_arrived()

    def handle_events(self) -> None:
        super().handle_events()
        # After an answer to a request that is still being sent, the rest of it is read and thrown away.
        waiting = self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE
        if not waiting:
            self._head_arrived()
        elif self._head is None and self.timeout_keep_alive_task is None:
            # Something of a request is there, so uvicorn no longer counts the connection as idle.
            self._await_head()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.head_timeout_s, self.transport.abort)

    def _head_arrived(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def _end_if_not_read(transport: asyncio.Transport, seconds: float) -> None:
    """Let the kernel end a connection whose caller takes nothing of what was sent for so long. Linux only."""
    connection = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if connection is not None and option is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, round(seconds * 1000))
