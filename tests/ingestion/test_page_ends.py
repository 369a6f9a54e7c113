"""What follows the end of a page belongs to it, as in browsers and mail programs (HTML standard, 13.2.6.4.19-22).

Gateways append disclaimers behind `</html>`, and put banners and replies in front of `<html>`.
"""

import pytest

from evals.hostile.samples import mail
from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind

WHITE = "<p style='color:#fff'>WORDS</p>"


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def texts(sandbox: Sandbox, page: str) -> list[str]:
    return [block.text for block in sandbox.parse(page.encode(), "page.html").blocks]


@pytest.mark.parametrize(
    "behind",
    [
        "<p>AFTER</p>",
        "AFTER",
        "\n<br><hr><font size=1>AFTER</font>",
        "<!-- x --><div>AFTER</div>",
        "<html><head><title>t</title></head><body><p>AFTER</p></body></html>",
        "</p></BODY ></HTML\n><p>AFTER</p>",
    ],
)
def test_what_follows_the_end_of_a_page_is_read(sandbox: Sandbox, behind: str) -> None:
    assert texts(sandbox, f"<html><body><p>Body</p></body></html>{behind}") == ["Body", "AFTER"]


def test_a_disclaimer_behind_the_page_of_a_message_is_read(sandbox: Sandbox) -> None:
    message = mail("")
    message.set_content("<html><body><p>We accept.</p></body></html>\n<p>Subject to board approval.</p>", "html")
    read = [block.text for block in sandbox.parse(message.as_bytes(), "a.eml").blocks]
    assert read[1:] == ["We accept.", "Subject to board approval."]


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        # An element that is still open goes on; so do the styles of the page.
        ("<div style='display:none'>a</div></body></html><p>WORDS</p>", "<div hidden>a</body></html><p>WORDS</p>"),
        (
            "</body></html><style>.x{display:none}</style><p>WORDS</p>",
            "</body></html><style>.x{display:none}</style><p class=x>WORDS</p>",
        ),
        # The body takes from a later tag what it does not say itself.
        (f"<html><body bgcolor=black>{WHITE}", f"<html><body link=red>{WHITE}"),
        (f"</body></html><body bgcolor=black>{WHITE}", f"<!-- <body bgcolor=black> -->{WHITE}"),
        (f"<body bgcolor=black>{WHITE}", f"<p title='<body bgcolor=black>'></p>{WHITE}"),
        (f"{'</b>' * 200}<body bgcolor=black>{WHITE}", f"{'</b>' * 200}{WHITE}"),
        (f"</body></html><body bgcolor=black>{WHITE}", f"</body></html><body bgcolor=white>{WHITE}"),
        (
            f"<body style='background:#036'><body style='background:#fff'>{WHITE}",
            f"<body style='background:#fff'><body style='background:#036'>{WHITE}",
        ),
    ],
)
def test_what_hides_in_one_page_hides_in_two_and_its_twin_is_read(sandbox: Sandbox, shown: str, hidden: str) -> None:
    assert texts(sandbox, f"<p>before</p>{shown}") == ["before", "WORDS"]
    parsed = sandbox.parse(f"<p>before</p>{hidden}".encode(), "page.html")
    assert [block.text for block in parsed.blocks] == ["before"]
    assert parsed.hidden == {HiddenKind.INVISIBLE_TEXT: 1}


def test_a_marker_behind_the_end_of_a_page_is_one(sandbox: Sandbox) -> None:
    page = "<html><body><p>a</p></body></html><p>[ringfence level=secret]</p><p>b</p>"
    levels = [int(block.tightening.level) for block in sandbox.parse(page.encode(), "page.html").blocks]
    assert levels == [0, 4]
    with pytest.raises(Refused) as refused:
        texts(sandbox, page.replace("</html><p>", "</html><p hidden>"))
    assert refused.value.reason is Reason.BAD_MARKER


def test_the_title_of_a_picture_is_not_that_of_its_page(sandbox: Sandbox) -> None:
    picture = "<svg><title>Icon</title></svg><p>x</p>"
    assert sandbox.parse(f"{picture}<h1>Real</h1>".encode(), "page.html").title == "Real"
    assert sandbox.parse(f"<title>Page</title>{picture}<h1>Real</h1>".encode(), "page.html").title == "Page"
