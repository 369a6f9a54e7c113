"""A real IMAP server over TLS on loopback, with one account and a certificate of its own."""

import asyncio
import datetime
import ipaddress
import ssl
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from proxyprotocol.reader import ProxyProtocolReader
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pysasl.hashing import BuiltinHash


@cache
def _certificate() -> bytes:
    """Key and certificate of localhost, signed by itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem + certificate.public_bytes(serialization.Encoding.PEM)


@contextmanager
def mail_server(folder: Path, user: str, password: str) -> Iterator[tuple[int, Path]]:
    """The port of the server and the file of its certificate, while it runs."""
    pem = folder / "server.pem"
    pem.write_bytes(_certificate())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_started(pem, user, password), loop).result(30)
    try:
        yield server.sockets[0].getsockname()[1], pem
    finally:
        asyncio.run_coroutine_threadsafe(_stopped(server), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _started(pem: Path, user: str, password: str) -> asyncio.Server:
    options = {"debug": False, "host": None, "port": "0", "cert": None, "key": None, "tls": False}
    account = {"demo_data": False, "demo_user": user, "demo_password": password}
    # TLS from the first byte on: what the server itself offers is to change to it later.
    arguments = Namespace(**options, **account, proxy_protocol=None, inherited_sockets=None, passlib_cfg=None)
    quick = BuiltinHash(rounds=1)
    backend, config = await DictBackend.init(arguments, reject_dnsbl=False, secure_auth=False, hash_context=quick)
    config.apply_context()
    server = IMAPServer(backend.login, config)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: SocketInfo) -> None:
        try:
            await server(reader, writer, caller)
        finally:
            writer.transport.abort()  # its client may be gone without a farewell, for which TLS would wait

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    answer = ProxyProtocolReader(config.proxy_protocol).get_callback(answered)
    return await asyncio.start_server(answer, host="127.0.0.1", port=0, ssl=context)


async def _stopped(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not own]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)  # what was aborted closes in the next turns of the loop
