"""One connection to an IMAP server: mailboxes are opened read-only, and no message is marked as read."""

import imaplib
import re
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ingestion.sources.imap_access import rights_in
from ingestion.sources.mailbox_names import separator_in
from ingestion.sources.protocol import ChangedSinceListed

TIMEOUT_S = 30.0
FAILED = (imaplib.IMAP4.error, OSError, ValueError)
"""What a session raises when the server is away, refuses, or answers in another form."""

SIZE_SLACK = 64 * 1024
"""Servers count the size of a message loosely: a message may be twice as large, and this much more."""
LITERAL_BYTES_MAX = 1 << 20
"""Of any other answer than a message."""

_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Account:
    """Where to log in. `ca_file` empty: the system's authorities. `tls` False only where that was said."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_file: str = ""
    tls: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    uid: int
    size: int
    received_ns: int


class _Plain(imaplib.IMAP4):
    """Reads no literal that is larger than `literal_max`, whatever the server announces."""

    literal_max = LITERAL_BYTES_MAX

    def read(self, size: int) -> bytes:
        return super().read(_within(size, self.literal_max))


class _Secure(imaplib.IMAP4_SSL):
    literal_max = LITERAL_BYTES_MAX

    def read(self, size: int) -> bytes:
        return super().read(_within(size, self.literal_max))


_Client = _Plain | _Secure


class Session:
    """One connection to the server, opened when it is needed and used by one thread at a time."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._lock = threading.Lock()
        self._client: _Client | None = None
        self._selected = ("", 0)
        self._leave: Callable[[], object] = bool

    def messages(self, mailbox: str) -> tuple[int, list[Message]]:
        """The UIDVALIDITY of a mailbox and its messages as they are now. Raises one of `FAILED`."""
        return self._twice(lambda: self._listed(mailbox))

    def fetch(self, mailbox: str, validity: int, message: Message) -> bytes:
        """The bytes of a message, if they are about as many as were listed. Raises one of `FAILED`."""
        return self._twice(lambda: self._fetched(mailbox, validity, message))

    def separator(self, mailbox: str) -> str:
        """What separates folders in the name of this mailbox; empty: nothing does. Raises one of `FAILED`."""
        return self._twice(lambda: self._separator(mailbox))

    def access(self, mailbox: str) -> Mapping[str, str] | str:
        """Rights by identifier, as the mailbox has them now, or why the server does not say. Raises one of `FAILED`."""
        return self._twice(lambda: self._access(mailbox))

    @staticmethod
    def _twice(ask: Callable[[], R]) -> R:
        """Servers end connections that were idle, as while a long document was parsed."""
        try:
            return ask()
        except imaplib.IMAP4.abort:
            return ask()

    def _listed(self, mailbox: str) -> tuple[int, list[Message]]:
        with self._lock, self._connected() as client:
            count = self._select(client, mailbox)
            if not count:
                return self._selected[1], []
            found = list(_messages(_ok(client.uid("FETCH", "1:*", "(UID FLAGS RFC822.SIZE INTERNALDATE)"))))
            if len(found) < count:
                raise ValueError("the server listed fewer messages than the mailbox holds")
            return self._selected[1], [message for message in found if message is not None]

    def _access(self, mailbox: str) -> Mapping[str, str] | str:
        with self._lock, self._connected() as client:
            # Asked again after the login: before it, a server need not tell all that it can do.
            if b"ACL" not in b" ".join(_ok(client.capability())).upper().split():
                return "its server has no access control lists (RFC 4314)"
            status, answer = client.getacl(f'"{mailbox}"')
            if status != "OK":
                return "its server refuses to tell who may read the mailbox; the account needs the right `a` on it"
            return rights_in(answer, mailbox)

    def _separator(self, mailbox: str) -> str:
        with self._lock, self._connected() as client:
            # Without a name, the server tells what it has in general.
            for name in (mailbox, ""):
                if (found := separator_in(_ok(client.list('""', f'"{name}"')))) is not None:
                    return found
            raise ValueError("the server does not say what separates its folders")

    def _fetched(self, mailbox: str, validity: int, message: Message) -> bytes:
        size_max = 2 * message.size + SIZE_SLACK
        with self._lock, self._connected() as client:
            if self._selected != (mailbox, validity):
                self._select(client, mailbox)
            if self._selected != (mailbox, validity):
                raise ChangedSinceListed("the mailbox is another one under its old name")
            client.literal_max = size_max + 1
            data = _body(_ok(client.uid("FETCH", str(message.uid), f"(BODY.PEEK[]<0.{size_max + 1}>)")), message.uid)
            client.literal_max = LITERAL_BYTES_MAX
        if data is None:
            raise ChangedSinceListed("the message is gone")
        if len(data) > size_max:
            raise ChangedSinceListed("the message is much larger than it was listed")
        return data

    def _connected(self) -> "_Using":
        if self._client is None:
            self._client = _opened(self.account)
            self._leave = weakref.finalize(self, _leave, self._client)
        return _Using(self, self._client)

    def drop(self) -> None:
        """Forget a connection on which something failed: the next use opens another."""
        self._client, self._selected = None, ("", 0)
        self._leave()

    def _select(self, client: imaplib.IMAP4, mailbox: str) -> int:
        """Open a mailbox read-only; how many messages are in it."""
        self._selected = ("", 0)
        [count] = _ok(client.select(f'"{mailbox}"', readonly=True))
        [validity] = client.response("UIDVALIDITY")[1]
        self._selected = mailbox, int(validity)
        return int(count)


@dataclass(frozen=True, slots=True)
class _Using:
    """The connection while it is used."""

    session: Session
    client: _Client

    def __enter__(self) -> _Client:
        return self.client

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.session.drop()


def _opened(account: Account) -> _Client:
    client: _Client
    if account.tls:
        context = ssl.create_default_context(cafile=account.ca_file or None)
        client = _Secure(account.host, account.port, ssl_context=context, timeout=TIMEOUT_S)
    else:
        client = _Plain(account.host, account.port, timeout=TIMEOUT_S)
    try:
        _ok(client.login(account.user, account.password))
    except BaseException:
        client.shutdown()
        raise
    return client


def _leave(client: imaplib.IMAP4) -> None:
    with suppress(OSError):  # closed by the other side
        client.shutdown()


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise ValueError("the server refused")
    return answer[1]


def _within(size: int, size_max: int) -> int:
    if size > size_max:
        raise ValueError("the server announced an answer that is too large")
    return size


def _body(answer: list[Any], uid: int) -> bytes | None:
    """The bytes of the message of this number, which may stand before or after them; None where it is not there."""
    for part, after in zip(answer, [*answer[1:], None], strict=True):
        if isinstance(part, tuple) and b"BODY[]" in part[0].upper():
            around = part[0] + (after if isinstance(after, bytes) else b"")
            if (found := _UID.search(_FLAGS.sub(b"", around))) and int(found[1]) == uid:
                return bytes(part[1])
    return None


def _messages(lines: list[Any]) -> Iterator[Message | None]:
    """One entry for each message: None for one that is marked as deleted."""
    for line in lines:
        if not isinstance(line, bytes):
            raise ValueError("the server answered in a form that is not read")
        flags = _FLAGS.search(line)
        rest = _FLAGS.sub(b"", line)
        uid, size = _UID.search(rest), _SIZE.search(rest)
        if uid is None or size is None or flags is None:
            continue  # news about flags, which the server may send at any time
        if rb"\deleted" in flags[1].lower().split():
            yield None
            continue
        received = imaplib.Internaldate2tuple(rest)
        yield Message(int(uid[1]), int(size[1]), int(time.mktime(received)) * 10**9 if received else 0)
