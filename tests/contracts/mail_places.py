"""Places of mail: mailboxes on an IMAP server on loopback, and a mailbox in a file."""

import imaplib
import mailbox
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ingestion.sources.imap import ImapSource
from ingestion.sources.imap_session import Account
from ingestion.sources.labels import LabelFile
from ingestion.sources.mbox import MboxSource
from ingestion.sources.protocol import Labels, Source
from policies.rules import Level
from tests.contracts.mail_server import mail_server
from tests.contracts.source_place import Place


class MailPlace:
    """What both places of mail share: the subject is the name that a message was written under."""

    secrets: tuple[str, ...]
    keeps_identity = False
    rights_move_revision = False
    moves = True
    names = False
    source: Source

    def open_with(self, labels: LabelFile) -> None:
        """Point `source` at the place under these labels."""
        raise NotImplementedError

    def path(self, name: str) -> str:
        subject = f"Subject: {name}".encode()
        for item in self.source.listing().items:
            with item.open() as file:
                if file.read().startswith(subject):
                    return item.path
        return f"no message {name}"

    def restrict(self, path: str) -> None:
        self.open_with(LabelFile.model_validate({**MAIL, "files": {path: {"level": "secret"}}}))

    def restricted(self, labels: Labels) -> bool:
        return labels.level is Level.SECRET

    def write_hostile(self) -> set[str]:
        raise NotImplementedError


MAIL = {"department": "company", "level": "internal"}
USER, PASSWORD = "ann", "the-password-of-ann"


class ImapPlace(MailPlace):
    secrets = (PASSWORD,)

    def __init__(self, port: int, ca_file: Path) -> None:
        self._account = Account("localhost", port, USER, PASSWORD, str(ca_file))
        self._client = imaplib.IMAP4_SSL("localhost", port, ssl_context=ssl.create_default_context(cafile=ca_file))
        self._client.login(USER, PASSWORD)
        self._client.create("Board")
        self._client.create("Archive")
        self.open_with(LabelFile.model_validate(MAIL))

    def open_with(self, labels: LabelFile) -> None:
        self.source = ImapSource("docs", self._account, ("Archive", "Board"), labels)

    def opened_again(self) -> Source:
        account = replace(self._account, host="LOCALHOST", password="another-one")
        return ImapSource("docs", account, ("Board", "Archive"), LabelFile())

    def elsewhere(self) -> Source:
        return ImapSource("docs", replace(self._account, user="bo"), ("Archive", "Board"), LabelFile())

    def write(self, path: str, content: str) -> None:
        self._client.append("Board", "", "", f"Subject: {path}\r\n\r\n{content}\r\n".encode())

    def rename(self, path: str, to: str) -> None:
        self._client.select("Board")
        self._client.uid("MOVE", self._uid(path), "Archive")

    def delete(self, path: str) -> None:
        self._client.select("Board")
        self._client.uid("STORE", self._uid(path), "+FLAGS", "(\\Deleted)")

    def _uid(self, name: str) -> str:
        return self.path(name).rpartition("-")[2].removesuffix(".eml")

    def breaks(self) -> None:
        self._client.delete("Board")

    def close(self) -> None:
        self._client.logout()


class MboxPlace(MailPlace):
    secrets = ()
    moves = False

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()
        self.open_with(LabelFile.model_validate(MAIL))

    def open_with(self, labels: LabelFile) -> None:
        self.source = MboxSource("docs", self._file, labels)

    def opened_again(self) -> Source:
        return MboxSource("docs", self._file.parent / "." / self._file.name, LabelFile())

    def elsewhere(self) -> Source:
        return MboxSource("docs", self._file.with_name("other.mbox"), LabelFile())

    @contextmanager
    def _written(self) -> Iterator[mailbox.mbox]:
        opened = mailbox.mbox(self._file)
        yield opened
        opened.close()

    def write(self, path: str, content: str) -> None:
        with self._written() as box:
            box.add(f"Subject: {path}\n\n{content}\n")

    def delete(self, path: str) -> None:
        with self._written() as box:
            for key, message in list(box.items()):
                if message["Subject"] == path:
                    box.remove(key)

    def rename(self, path: str, to: str) -> None:
        raise NotImplementedError

    def breaks(self) -> None:
        self._file.unlink()


@contextmanager
def imap_place(tmp_path: Path) -> Iterator[Place]:
    with mail_server(tmp_path, USER, PASSWORD) as (port, ca_file):
        place = ImapPlace(port, ca_file)
        yield place
        place.close()


@contextmanager
def mbox_place(tmp_path: Path) -> Iterator[Place]:
    yield MboxPlace(tmp_path / "archive.mbox")
