"""Starting and stopping: a taken port is one clear line, and a signal ends the service in order."""

import asyncio
import os
import signal
import socket

import httpx
import pytest

from rag.api.app import create_app
from rag.api.parts import AppParts
from rag.api.server import listen, local_url, open_socket, run_server, uvicorn_config
from rag.errors import Conflict
from rag.settings import ServiceSettings


def test_a_taken_port_is_said_clearly_and_a_free_one_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict) as refusal:
            listen(ServiceSettings(port=port))
    assert str(port) in refusal.value.message
    assert "--port" in refusal.value.message
    listen(ServiceSettings(port=port)).close()


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_headers() -> None:
    """Nagle's algorithm (RFC 896, 1122) held each body of a kept connection back for 40 ms."""
    with open_socket("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_an_address_of_another_machine_is_said_clearly() -> None:
    with pytest.raises(Conflict) as refusal:
        listen(ServiceSettings(host="203.0.113.1", port=18094))
    assert "203.0.113.1" in refusal.value.message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_service_without_an_error(number: signal.Signals, parts: AppParts) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    started = asyncio.Event()
    running = asyncio.create_task(
        run_server(uvicorn_config(create_app(parts), parts.settings.service), listening, started.set)
    )
    async with asyncio.timeout(20):
        await started.wait()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/livez")).status_code == 200
        os.kill(os.getpid(), number)
        await running
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/livez")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:8080"), ("0.0.0.0", "http://127.0.0.1:8080"), ("::", "http://[::1]:8080")],  # noqa: S104 - not bound
)
def test_commands_reach_the_service_by_loopback(host: str, url: str) -> None:
    assert local_url(ServiceSettings(host=host)) == url
