"""What a mail server, or another one in its place, cannot make us do, and which patterns mean which mailbox."""

from collections.abc import Iterator

import pytest

from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change
from ingestion.sources.identities import Identities
from ingestion.sources.imap import ImapSource
from ingestion.sources.imap_session import SIZE_SLACK, Account
from ingestion.sources.labels import LabelFile
from ingestion.sources.mailbox_names import readable, separator_in
from ingestion.sources.protocol import Labels, Unlabelled
from policies.rules import Level
from rag.errors import Unavailable
from tests.contracts.acl_mail_server import Mailboxes, acl_mail_server
from tests.ingestion.worlds import TENANT, make_visible

TABLE = Identities(users={"ann": "user:ann", "bo": "user:bo"})


def mailboxes(text: str, reader: str, name: str = "INBOX") -> Mailboxes:
    message = f"Subject: {text}\r\n\r\n{text}\r\n".encode()
    return Mailboxes({name: [message]}, {name: f'"{name}" {reader} lr'.encode()})


@pytest.fixture
def held() -> Mailboxes:
    return mailboxes("The lease ends in May.", "ann")


@pytest.fixture
def port(held: Mailboxes) -> Iterator[int]:
    with acl_mail_server(held) as opened:
        yield opened


def source(port: int, mailbox: str = "INBOX", files: dict[str, str] | None = None, user: str = "u") -> ImapSource:
    patterns = {pattern: {"level": level} for pattern, level in (files or {}).items()}
    labels = LabelFile.model_validate({"department": "hr", "level": "internal", "files": patterns})
    return ImapSource("mail", Account("127.0.0.1", port, user, "p", tls=False), (mailbox,), labels, TABLE)


def bodies(held: Mailboxes) -> int:
    return sum(b"BODY" in command for command in held.asked)


async def test_messages_of_another_server_under_the_same_numbers_are_read_and_those_of_the_same_are_not(
    held: Mailboxes, port: int, parts: IngestionParts
) -> None:
    """Else what one server lets its people read would be what is known of the other."""
    for fetched in (1, 1):
        await ingest(source(port), TENANT, parts)
        await make_visible(parts.database, TENANT)
        assert bodies(held) == fetched
    other = mailboxes("The lease ends in Oct.", "bo")
    assert len(held.messages["INBOX"][0]) == len(other.messages["INBOX"][0])
    with acl_mail_server(other) as elsewhere:
        report = await ingest(source(elsewhere), TENANT, parts)
    assert report.counts[Change.CHANGED] == 1 and bodies(other)
    [mine], [theirs] = source(port).listing().items, source(port, user="v").listing().items
    assert mine.identity == theirs.identity and mine.revision != theirs.revision


@pytest.mark.parametrize(
    ("name", "separator", "pattern"),
    [
        ("Vorst&AOQ-nde", b'"/"', "Vorst\u00e4nde/*"),
        ("Vorst&AOQ-nde", b'"/"', "Vorsta\u0308nde/*"),
        ("Board.Pay", b'"."', "Board/*"),
        ("Board.Pay", b'"."', "Board/Pay/*"),
        ("Board/Pay", b'"/"', "Board/*"),
        ("R&-D.2026", b"NIL", "R&D.2026/*"),
    ],
)
def test_a_pattern_means_the_mailbox_as_people_name_it(name: str, separator: bytes, pattern: str) -> None:
    held = mailboxes("Hello", "ann", name)
    held.separator = separator
    with acl_mail_server(held) as port:
        [meant] = source(port, name, {pattern: "secret"}).listing().items
        [other] = source(port, name, {"Other/*": "secret"}).listing().items
    assert isinstance(meant.labels, Labels) and isinstance(other.labels, Labels)
    assert (meant.labels.level, other.labels.level) == (Level.SECRET, Level.INTERNAL)
    assert meant.identity == f"{name}/7-1.eml", "by the name that the server knows it"


@pytest.mark.parametrize("pattern", ["Board.Pay/*", "board.pay/*", "Board.*/7-*"])
def test_a_pattern_that_names_a_mailbox_as_its_server_does_keeps_it_out_and_is_not_overlooked(pattern: str) -> None:
    held = mailboxes("Hello", "ann", "Board.Pay")
    held.separator = b'"."'
    with acl_mail_server(held) as port:
        [item] = source(port, "Board.Pay", {pattern: "secret"}).listing().items
    assert isinstance(item.labels, Unlabelled) and "Board/Pay" in item.labels.why


@pytest.mark.parametrize(("name", "taken"), [("Board.Pay", True), ("Board..Pay", False), ("Board.&AAo-", False)])
def test_a_name_that_is_no_path_makes_the_source_unreadable(name: str, taken: bool) -> None:
    held = mailboxes("Hello", "ann", name)
    held.separator = b'"."'
    with acl_mail_server(held) as port:
        if taken:
            assert source(port, name).listing().items
            return
        with pytest.raises(Unavailable, match="not taken"):
            source(port, name).listing()


def test_names_that_are_not_in_utf_7_stay_as_they_are() -> None:
    for name in ("R&D", "A&B-C", "&AOQ", "Vorst&2-nde"):
        assert readable(name, "/") == name
    assert readable("A&AOQ-.&BDAEMQ-", ".") == "A\u00e4/\u0430\u0431"


def test_what_separates_folders_is_said_once_or_not_believed() -> None:
    assert separator_in([b'(\\HasNoChildren) "." "a.b"']) == "."
    assert separator_in([(b'() "/" {3}', b"a/b"), b""]) == "/"
    assert separator_in([b'() NIL "a"']) == ""
    assert separator_in([b'() "\\\\" "a"']) == "\\"
    assert separator_in([None]) is None
    for answer in ([b'() "/" a', b'() "." a'], [b"nonsense"]):
        with pytest.raises(ValueError, match="separates"):
            separator_in(answer)


def opened(port: int) -> bytes:
    [item] = source(port).listing().items
    with item.open() as file:
        return file.read()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"* 1 FETCH (UID 1 BODY[]<0> {400000000}", id="too large to begin with"),
        pytest.param(b"* 1 FETCH (UID 2 BODY[]<0> {1}\r\nx)", id="another message"),
        pytest.param(b"* 1 FETCH (BODY[]<0> {1}\r\nx FLAGS (UID 1))", id="no number"),
        pytest.param(b"* 1 FETCH (UID 1 BODY[HEADER] {1}\r\nx)", id="a part of it"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_an_answer_that_was_not_asked_for_is_no_document(held: Mailboxes, port: int, answer: bytes) -> None:
    assert b"May" in opened(port)
    held.answers[1] = answer
    with pytest.raises(OSError, match=r"could not be read|is gone"):
        opened(port)


def test_a_message_may_be_somewhat_larger_than_its_server_says_and_its_number_may_come_last(
    held: Mailboxes, port: int
) -> None:
    size = len(held.messages["INBOX"][0])
    for sent, taken in ((2 * size + SIZE_SLACK, True), (2 * size + SIZE_SLACK + 1, False)):
        held.answers[1] = b"* 1 FETCH (BODY[]<0> {%d}\r\n%b UID 1)" % (sent, b"x" * sent)
        if taken:
            assert len(opened(port)) == sent
        else:
            with pytest.raises(OSError, match="larger"):
                opened(port)
