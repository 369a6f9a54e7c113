"""Mail as a source: whom the connection trusts, what of a mailbox is a document, and what is no mailbox."""

import imaplib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from ingestion.sources import mbox
from ingestion.sources.folder import TRIES
from ingestion.sources.imap import ImapSource
from ingestion.sources.imap_session import Account
from ingestion.sources.labels import LabelFile
from ingestion.sources.mbox import MboxSource
from ingestion.sources.protocol import Labels
from policies.rules import Level
from rag.errors import Unavailable
from tests.contracts.mail_server import mail_server

PASSWORD = "the-password-of-ann"
LABELS = LabelFile.model_validate(
    {"department": "hr", "level": "internal", "files": {"Board/*": {"level": "secret", "shares": ["group:board"]}}}
)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with mail_server(tmp_path_factory.mktemp("mail"), "ann", PASSWORD) as (port, ca_file):
        yield Account("localhost", port, "ann", PASSWORD, str(ca_file))


@pytest.fixture
def client(account: Account) -> Iterator[imaplib.IMAP4]:
    """Another program at the same account, with empty mailboxes."""
    context = ssl.create_default_context(cafile=account.ca_file)
    with imaplib.IMAP4_SSL(account.host, account.port, ssl_context=context) as opened:
        opened.login(account.user, account.password)
        for mailbox in ("Board", "Staff"):
            opened.delete(mailbox)
            opened.create(mailbox)
        yield opened


def send(client: imaplib.IMAP4, mailbox: str, text: str) -> None:
    client.append(mailbox, "", "", f"Subject: {text}\r\n\r\n{text}\r\n".encode())


def source(account: Account) -> ImapSource:
    return ImapSource("mail", account, ("Board", "Staff"), LABELS)


def refusal(account: Account) -> str:
    with pytest.raises(Unavailable) as refused:
        source(account).listing()
    assert refused.value.code == "source_unreadable"
    assert PASSWORD not in refused.value.message
    return refused.value.message


def test_the_mailbox_decides_about_the_labels(account: Account, client: imaplib.IMAP4) -> None:
    for mailbox in ("Board", "Staff"):
        send(client, mailbox, "Hello")
    found = {item.path.split("/")[0]: item.labels for item in source(account).listing().items}
    board, staff = found["Board"], found["Staff"]
    assert isinstance(board, Labels) and isinstance(staff, Labels)
    assert (board.level, board.shares) == (Level.SECRET, {"group:board"})
    assert (staff.level, staff.shares) == (Level.INTERNAL, set())


def test_a_server_that_nobody_vouches_for_gets_no_password(account: Account, client: imaplib.IMAP4) -> None:
    send(client, "Board", "Hello")
    assert "SSLCertVerificationError" in refusal(replace(account, ca_file=""))
    assert source(account).listing().items


def test_a_wrong_password_is_an_unreadable_source(account: Account, client: imaplib.IMAP4) -> None:
    send(client, "Board", "Hello")
    assert "Board" in refusal(replace(account, password="x"))


def test_reading_marks_nothing_as_read_and_changes_nothing(account: Account, client: imaplib.IMAP4) -> None:
    send(client, "Board", "Hello")
    [item] = source(account).listing().items
    with item.open() as file:
        assert file.read() == b"Subject: Hello\r\n\r\nHello\r\n"
    client.select("Board", readonly=True)
    flags = client.uid("FETCH", "1:*", "(FLAGS)")[1]
    assert b"Seen" not in flags[0] and len(flags) == 1


def test_a_mailbox_of_the_same_name_made_anew_holds_other_documents(account: Account, client: imaplib.IMAP4) -> None:
    """Its messages have the numbers of the old ones."""
    send(client, "Board", "Old")
    mail = source(account)
    [old] = mail.listing().items
    client.delete("Board")
    client.create("Board")
    send(client, "Board", "New")
    [new] = mail.listing().items
    assert old.identity != new.identity
    with pytest.raises(OSError, match="another one"):
        old.open()
    with new.open() as file:
        assert b"New" in file.read()


def test_a_connection_that_the_server_ended_is_opened_anew(account: Account, client: imaplib.IMAP4) -> None:
    send(client, "Board", "Hello")
    mail = source(account)
    [item] = mail.listing().items
    assert mail._session._client is not None
    mail._session._client.shutdown()
    with item.open() as file:
        assert b"Hello" in file.read()


FIRST, SECOND = "Subject: one\n\nAlpha\n>From here on.\n", "Subject: two\n\nBeta\n\nFrom. not a separator\n"


def box(*messages: str) -> str:
    return "".join(f"From ann@acme.example Thu Nov 26 08:00:00 2026\n{message}\n" for message in messages)


def read(file: Path) -> list[bytes]:
    items = MboxSource("mail", file, LABELS).listing().items
    found = []
    for item in items:
        with item.open() as opened:
            found.append(opened.read())
    return found


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_message_of_a_file_is_a_document_with_its_own_bytes(tmp_path: Path, end: str) -> None:
    file = tmp_path / "a.mbox"
    file.write_bytes(box(FIRST, SECOND).replace("\n", end).encode())
    sent = (FIRST.replace(">From", "From"), SECOND)
    assert sorted(read(file)) == [text.replace("\n", end).encode() for text in sent]


def test_a_sentence_that_begins_as_an_envelope_does_is_part_of_its_message(tmp_path: Path) -> None:
    """Not every program quotes it; no header follows it."""
    file = tmp_path / "a.mbox"
    file.write_text(box("Subject: one\n\nHello.\n\nFrom Monday on we close at 5.\nBye.\n", SECOND))
    [first, _] = sorted(read(file))
    assert first == b"Subject: one\n\nHello.\n\nFrom Monday on we close at 5.\nBye.\n"
    file.write_text(box(FIRST) + "From the end")
    assert read(file) == [b"Subject: one\n\nAlpha\nFrom here on.\n\nFrom the end"]


def test_copies_are_two_documents_and_removing_one_message_renames_no_other(tmp_path: Path) -> None:
    file = tmp_path / "a.mbox"
    file.write_text(box(FIRST, SECOND, SECOND))
    before = {item.path for item in MboxSource("mail", file, LABELS).listing().items}
    assert len(before) == 3
    file.write_text(box(SECOND, SECOND))
    after = {item.path for item in MboxSource("mail", file, LABELS).listing().items}
    assert after < before and len(after) == 2


def test_a_message_that_moved_in_the_file_after_the_listing_is_not_given_out(tmp_path: Path) -> None:
    file = tmp_path / "a.mbox"
    file.write_text(box(FIRST, SECOND))
    items = MboxSource("mail", file, LABELS).listing().items
    file.write_text(box(SECOND, FIRST))
    for item in items:
        with pytest.raises(OSError, match="after it was listed"):
            item.open()


@pytest.mark.parametrize("times", [1, TRIES])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_written_while_it_is_listed_loses_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, replaced: bool
) -> None:
    """Mail programs write it anew: for a moment, half of it is all there is."""
    file = tmp_path / "a.mbox"
    file.write_text(box(FIRST))
    torn = 0

    def completed(opened: BinaryIO) -> Iterator[tuple[int, int, str]]:
        nonlocal torn
        yield from messages_in(opened)
        if torn < times:
            torn += 1
            new = tmp_path / "new" if replaced else file
            new.write_text(box(FIRST, SECOND) + "\n" * torn)
            new.rename(file)

    messages_in = mbox._messages
    monkeypatch.setattr(mbox, "_messages", completed)
    if times < TRIES:
        assert len(read(file)) == 2
        return
    with pytest.raises(Unavailable) as refused:
        read(file)
    assert refused.value.code == "source_changing"


@pytest.mark.parametrize("text", ["Subject: no separator\n", "\n" + box(FIRST), "\0\0\0"])
def test_a_file_that_is_no_mailbox_is_refused_and_an_empty_one_is_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.mbox"
    file.write_text("")
    assert read(file) == []
    file.write_text(text)
    with pytest.raises(Unavailable, match="does not begin"):
        read(file)
