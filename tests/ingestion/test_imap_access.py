"""Access control lists of mailboxes: who may read there may read here, and what is not told is kept out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.sources.configuration import open_source
from ingestion.sources.identities import Identities
from ingestion.sources.imap import ImapSource
from ingestion.sources.imap_access import rights_in
from ingestion.sources.imap_session import Account
from ingestion.sources.labels import LabelFile
from ingestion.sources.protocol import Labels, Unlabelled
from rag.errors import Misuse, Unavailable
from tests.contracts.acl_mail_server import Mailboxes, acl_mail_server

PLAIN = LabelFile.model_validate({"department": "hr", "level": "internal", "shares": ["group:all"]})
TABLE = Identities(
    users={"ann": "user:ann", "bo": "user:bo", "mail-robot": "nobody"},
    groups={"anyone": "group:staff", "$board": "group:board"},
)


@pytest.fixture
def held() -> Mailboxes:
    return Mailboxes({"Board": [b"Subject: a\r\n\r\nA\r\n"]}, {"Board": b"Board ann lrs"})


@pytest.fixture
def port(held: Mailboxes) -> Iterator[int]:
    with acl_mail_server(held) as opened:
        yield opened


def source(port: int, identities: Identities | None = TABLE) -> ImapSource:
    return ImapSource("mail", Account("127.0.0.1", port, "reader", "x", tls=False), ("Board",), PLAIN, identities)


def labels(port: int, identities: Identities | None = TABLE) -> Labels | Unlabelled:
    [item] = source(port, identities).listing().items
    return item.labels


@pytest.mark.parametrize(
    ("listed", "shares", "denied"),
    [
        (b"Board ann lrswipkxtea", {"user:ann"}, set()),
        (b"Board ann lrs bo l mail-robot lrs", {"user:ann"}, set()),
        (b"Board $board lr anyone r", {"group:board", "group:staff"}, set()),
        (b"Board anyone lr -bo r", {"group:staff"}, {"user:bo"}),
        (b"Board anyone lr -bo i", {"group:staff"}, set()),
        (b'"Board" "ann" "lr" {2}\r\nbo lr', {"user:ann", "user:bo"}, set()),
        (b"Board", set(), set()),
    ],
)
def test_who_may_read_the_mailbox_has_a_share_of_its_messages(
    listed: bytes, shares: set[str], denied: set[str], held: Mailboxes, port: int
) -> None:
    held.access["Board"] = listed
    found = labels(port)
    assert isinstance(found, Labels)
    assert found.shares == shares
    assert found.denied_shares == denied


def test_without_identities_the_lists_are_not_asked_for(held: Mailboxes, port: int) -> None:
    found = labels(port, None)
    assert isinstance(found, Labels) and found.shares == {"group:all"}
    assert not any(b"GETACL" in command for command in held.asked)


def test_somebody_unknown_gets_nothing_and_is_told_and_one_who_is_kept_out_keeps_the_message_out(
    held: Mailboxes, port: int
) -> None:
    held.access["Board"] = b"Board eve lr ann lr"
    listing = source(port).listing()
    assert [item.labels.shares for item in listing.items if isinstance(item.labels, Labels)] == [{"user:ann"}]
    assert "user eve of the source is not in `identities`: without its rights on 1 document" in listing.notices
    held.access["Board"] = b"Board anyone lr -eve r"
    assert isinstance(labels(port), Unlabelled)


def test_the_list_is_read_after_the_messages(held: Mailboxes, port: int) -> None:
    """Else a message that came right after a right was taken away would be shared by the old list."""
    labels(port)
    order = [command.split()[0] for command in held.asked]
    assert order.index(b"UID") < order.index(b"GETACL")


def test_rights_that_changed_are_seen_at_the_next_listing_and_the_message_is_not_read_again(
    held: Mailboxes, port: int
) -> None:
    mail = source(port)
    [before] = mail.listing().items
    held.access["Board"] = b"Board bo lr"
    [after] = mail.listing().items
    assert (before.identity, before.revision) == (after.identity, after.revision)
    assert isinstance(after.labels, Labels) and after.labels.shares == {"user:bo"}


def test_a_server_that_refuses_or_cannot_tell_keeps_the_messages_out(held: Mailboxes, port: int) -> None:
    assert isinstance(labels(port), Labels)
    held.access["Board"] = None
    found = labels(port)
    assert isinstance(found, Unlabelled) and "refuses to tell" in found.why
    held.capabilities = b"IMAP4rev1"
    found = labels(port)
    assert isinstance(found, Unlabelled) and "RFC 4314" in found.why


@pytest.mark.parametrize(
    "listed", [b"Other ann lr", b"Board ann", b"Board ann lr ann l", b"Board (ann) lr", b"\xff\xff ann r"]
)
def test_a_list_that_makes_no_sense_makes_the_source_unreadable(listed: bytes, held: Mailboxes, port: int) -> None:
    held.access["Board"] = listed
    with pytest.raises(Unavailable) as refused:
        source(port).listing()
    assert refused.value.code == "source_unreadable"


def test_a_list_is_that_of_the_mailbox_however_its_words_are_written() -> None:
    assert rights_in([b'inbox "a \\"b\\"" lr'], "INBOX") == {'a "b"': "lr"}
    assert rights_in([(b"Board {3}", b"a b"), (b" lr {1}", b"c"), b" s"], "Board") == {"a b": "lr", "c": "s"}
    assert rights_in([b"Staff ann r", b"Board ann l"], "Board") == {"ann": "l"}
    with pytest.raises(ValueError, match="form"):
        rights_in([None], "Board")


def test_a_login_that_is_a_person_and_a_group_is_refused_in_the_configuration(tmp_path: Path) -> None:
    mail = {
        "kind": "imap",
        "host": "h",
        "user": "u",
        "password": {"env": "P"},
        "labels": {"department": "hr", "level": 1},
    }
    file = tmp_path / "sources.yaml"
    for groups, fine in (({"staff": "group:staff"}, True), ({"ann": "group:ann"}, False)):
        identities = {"users": {"ann": "user:ann"}, "groups": groups}
        file.write_text(json.dumps({"sources": {"mail": mail | {"identities": identities}}}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("P", "x")
            if fine:
                assert open_source(file, "mail").name == "mail"
            else:
                with pytest.raises(Misuse, match="under users and under groups"):
                    open_source(file, "mail")
