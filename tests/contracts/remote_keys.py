"""A key service on the loopback, and the source that asks it: the master keys never enter the process that uses them.

`HttpKeys` has the shape of an adapter for a transit engine (encrypt and decrypt by key name, with context): bounded
waiting, no redirects, and every failure told apart as "no such key", "not what I wrapped" or "unreachable".
"""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag.errors import Damaged, Unavailable
from rag.privacy.keys import Wrapped, wrong_master_key


class HttpKeys:
    """A `KeySource` that wraps and unwraps by calls to a key service."""

    origin = "the key service"

    def __init__(self, url: str, key_id: str, *, timeout_s: float = 5.0) -> None:
        self.id = key_id
        self._url = url
        self._timeout_s = timeout_s

    async def wrap(self, owner: str, data_key: bytes) -> Wrapped:
        data = await self._call("encrypt", self.id, owner, data_key)
        if data is None:
            raise Unavailable(f"The key service has no key {self.id} to wrap with.", code="key_service_unavailable")
        return Wrapped(self.id, data)

    async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
        key = await self._call("decrypt", wrapped.master_key_id, owner, wrapped.data)
        if key is None:
            raise wrong_master_key(owner, wrapped, f"{self.origin} does not have it")
        return key

    async def _call(self, verb: str, key_id: str, owner: str, data: bytes) -> bytes | None:
        """The answer, or None where the service does not have the key."""
        body = {"context": owner, "data": base64.b64encode(data).decode("ascii")}
        try:
            async with httpx.AsyncClient(timeout=self._timeout_s, trust_env=False) as client:
                answer = await client.post(f"{self._url}/{verb}/{key_id}", json=body)
        except httpx.HTTPError as cause:
            raise Unavailable(
                f"The key service did not answer ({type(cause).__name__}). Retry when it runs.",
                code="key_service_unavailable",
            ) from None
        if answer.status_code == 404:
            return None
        if answer.status_code == 400:
            raise Damaged(
                f"The wrapped data key of tenant {owner!r} is not what the key service made. Restore the tables "
                "tenant_key and vault_key from a backup.",
                code="tenant_key_damaged",
            )
        if answer.status_code != 200:
            raise Unavailable(f"The key service answered {answer.status_code}.", code="key_service_unavailable")
        return base64.b64decode(answer.json()["data"])


@contextmanager
def key_service(**keys: bytes) -> Iterator[str]:
    """The service with these master keys, on a free loopback port. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, verb, key_id = self.path.split("/")
            status, data = _answer(keys, verb, key_id, body["context"].encode(), base64.b64decode(body["data"]))
            answer = json.dumps({"data": base64.b64encode(data).decode()}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _answer(keys: dict[str, bytes], verb: str, key_id: str, context: bytes, data: bytes) -> tuple[int, bytes]:
    if key_id not in keys:
        return 404, b""
    cipher = AESGCM(keys[key_id])
    try:
        if verb == "encrypt":
            nonce = secrets.token_bytes(12)
            return 200, nonce + cipher.encrypt(nonce, data, context)
        return 200, cipher.decrypt(data[:12], data[12:], context)
    except (InvalidTag, ValueError):
        return 400, b""
