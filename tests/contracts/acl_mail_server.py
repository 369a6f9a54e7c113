"""A mail server on loopback that speaks as much of IMAP (RFC 9051) as reading takes, and GETACL (RFC 4314).

The server of the other tests has no access control lists.
"""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_GETACL = re.compile(rb'GETACL "([^"]*)"')
_LIST = re.compile(rb'LIST "" ("[^"]*")')
_FETCH = re.compile(rb"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)")
_EXAMINE = re.compile(rb'EXAMINE "([^"]*)"')


@dataclass
class Mailboxes:
    """What the server holds. `access` are its lists as they are sent; None: it refuses to tell."""

    messages: dict[str, list[bytes]]
    access: dict[str, bytes | None]
    separator: bytes = b'"/"'
    answers: dict[int, bytes] = field(default_factory=dict)
    """What is answered to whoever fetches the message of this number, in place of it."""
    capabilities: bytes = b"IMAP4rev1 ACL"
    asked: list[bytes] = field(default_factory=list)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, held: Mailboxes) -> None:
        self.held = held
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 20

    def handle(self) -> None:
        self.mailbox = ""
        self._say(b"* OK ready")
        while line := self.rfile.readline().rstrip(b"\r\n"):
            tag, _, command = line.partition(b" ")
            self.server.held.asked.append(command)
            self._say(tag + (b" OK done" if self._answered(command) else b" NO not for you"))

    def _answered(self, command: bytes) -> bool:
        held = self.server.held
        if command == b"CAPABILITY":
            self._say(b"* CAPABILITY " + held.capabilities)
        elif found := _EXAMINE.fullmatch(command):
            self.mailbox = found[1].decode()
            self._say(b"* %d EXISTS" % len(held.messages[self.mailbox]))
            self._say(b"* OK [UIDVALIDITY 7] as it is")
        elif command.startswith(b"UID FETCH 1:*"):
            for number, text in enumerate(held.messages[self.mailbox], 1):
                rest = b'RFC822.SIZE %d INTERNALDATE "26-Nov-2026 08:00:00 +0000"' % len(text)
                self._say(b"* %d FETCH (UID %d FLAGS () %s)" % (number, number, rest))
        elif found := _LIST.fullmatch(command):
            self._say(b"* LIST () " + held.separator + b" " + found[1])
        elif found := _FETCH.fullmatch(command):
            number, text = int(found[1]), held.messages[self.mailbox][int(found[1]) - 1][: int(found[2])]
            whole = b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n%b)" % (number, number, len(text), text)
            self._say(held.answers.get(number, whole))
        elif found := _GETACL.fullmatch(command):
            listed = held.access[found[1].decode()]
            if listed is None:
                return False
            self._say(b"* ACL " + listed)
        return True

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


@contextmanager
def acl_mail_server(held: Mailboxes) -> Iterator[int]:
    """The port of the server, while it runs."""
    with _Server(held) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(30)
