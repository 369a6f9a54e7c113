"""Messages that break the standards, as they come all the same: what mail programs show of them is read."""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind

ALTERNATIVES = b"From: a@b\nSubject: Hi\nContent-Type: multipart/alternative; boundary=BB\n\n"
PART = b"--BB\nContent-Type: text/plain\n\nThe body.\n--BB--\n"
SECTION = b"[ringfence level=secret]\n\nThe body.\n"


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def texts(sandbox: Sandbox, message: bytes) -> list[str]:
    return [block.text for block in sandbox.parse(message, "a.eml").blocks]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (ALTERNATIVES, b"The body.\n"),
        (ALTERNATIVES.replace(b"; boundary=BB", b""), b"The body.\n"),
        (ALTERNATIVES.replace(b"alternative", b"mixed"), b"The body.\n"),
        (ALTERNATIVES, PART),
    ],
)
def test_a_body_whose_parts_nobody_finds_is_read(sandbox: Sandbox, head: bytes, body: bytes) -> None:
    assert texts(sandbox, head + body) == ["From: a@b\nSubject: Hi", "The body."]


def test_a_marker_in_a_body_whose_parts_nobody_finds_is_one(sandbox: Sandbox) -> None:
    levels = [int(block.tightening.level) for block in sandbox.parse(ALTERNATIVES + SECTION, "a.eml").blocks]
    assert levels == [0, 4]


def test_an_alternative_whose_parts_nobody_finds_is_hidden_where_another_is_shown(sandbox: Sandbox) -> None:
    page = b"--BB\nContent-Type: text/html\n\n<p>The page.</p>\n--BB--\n"
    lost = b"--BB\nContent-Type: multipart/related; boundary=XX\n\n%s\n"
    parsed = sandbox.parse(ALTERNATIVES + lost % b"Quite another sentence of seven words." + page, "a.eml")
    assert [block.text for block in parsed.blocks][1:] == ["The page."]
    assert parsed.hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    with pytest.raises(Refused) as refused:
        sandbox.parse(ALTERNATIVES + lost % SECTION + page, "a.eml")
    assert refused.value.reason is Reason.BAD_MARKER


@pytest.mark.parametrize("front", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf\n"])
def test_empty_lines_in_front_of_the_headers_do_not_end_them(sandbox: Sandbox, front: bytes) -> None:
    kind = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n"
    message = b"From: a@b\n" + kind + b"\nK=C3=B6ln\n"
    assert texts(sandbox, front + message) == ["From: a@b", "K\u00f6ln"]
    enclosed = b"Content-Type: message/rfc822\n\n" + front.lstrip(b"\xef\xbb\xbf") + message
    around = b"From: c@d\nContent-Type: multipart/mixed; boundary=BB\n\n--BB\n" + enclosed + b"--BB--\n"
    assert texts(sandbox, around)[-1] == "K\u00f6ln"


@pytest.mark.parametrize("header", ['From: "', "To: a@[1.2.3.4", f"Cc: {'(' * 5000}"])
def test_a_header_that_the_library_trips_over_is_taken_as_it_is(sandbox: Sandbox, header: str) -> None:
    message = f"{header}\nSubject: Hi\n\nThe body.\n".encode()
    first, body = texts(sandbox, message)
    assert set(first.split("\n")) == {header, "Subject: Hi"} and body == "The body."
    around = b"Subject: Out\nContent-Type: multipart/mixed; boundary=BB\n\n--BB\nContent-Type: message/rfc822\n\n"
    assert texts(sandbox, around + message + b"--BB--\n")[-1] == "The body."


def test_a_header_that_is_no_ascii_is_shown_where_it_can_be(sandbox: Sandbox) -> None:
    assert texts(sandbox, 'From: "J\u00f6rg\nSubject: M\u00fcller\n\nx\n'.encode())[0].endswith("Subject: M\u00fcller")
