"""Markers of pages, records and messages: none is lost with what is left out, and none ends up beside what it is for.

From the design: a marker that cannot be honoured refuses the document.
"""

import json
from email import message_from_bytes
from email.message import Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parse.sandbox import Sandbox

OPEN, CLOSE = "[ringfence level=secret]", "[/ringfence]"


def levels(document: ParsedDocument) -> list[tuple[str, int]]:
    return [(block.text, int(block.tightening.level)) for block in document.blocks]


def is_refused(sandbox: Sandbox, source: str, name: str) -> bool:
    """Whether it is, for its marker; any other refusal fails the test."""
    try:
        sandbox.parse(source.encode(), name)
    except Refused as refused:
        assert refused.reason is Reason.BAD_MARKER
        return True
    return False


@pytest.mark.parametrize(
    "left_out",
    [
        *(
            f"<{tag}>{{}}</{tag}>"
            for tag in ("noscript", "template", "iframe", "object", "video", "datalist", "script", "style")
        ),
        "<select><option>a<option>{}</select>",
        "<table><tr><td>a<td>b<tr><td><template>{}</template>c<td>d</table>",
        "<head><meta name=x><noscript>{}</noscript></head>",
        "<![CDATA[{}]]>",
        "<?note {}?>",
        "<!note {}>",
        "<svg><desc>{}</desc></svg>",
    ],
)
def test_a_marker_in_what_a_page_never_shows_refuses_it(sandbox: Sandbox, left_out: str) -> None:
    assert is_refused(sandbox, f"<p>open</p>{left_out.format(OPEN)}<p>meant</p>", "a.html")
    assert not is_refused(sandbox, f"<p>open</p>{left_out.format('[note]')}<p>meant</p>", "a.html")


@pytest.mark.parametrize(
    "half",
    [
        "<p><span hidden>[ring</span>fence level=secret]</p>",
        "<p><span style='display:none'>[</span>ringfence level=secret]</p>",
        "<p>[ring<span hidden>fence level=secret]</span></p>",
        "<p>[ring<noscript>fence level=secret]</noscript></p>",
        "<div hidden>[ring<b>fence level=secret]</b></div>",
        "<table><tr><td>a<td>b<tr><td><span hidden>[ring</span>fence level=secret]<td>c</table>",
    ],
)
def test_a_marker_of_which_a_half_is_hidden_refuses_the_page(sandbox: Sandbox, half: str) -> None:
    assert is_refused(sandbox, f"<p>open</p>{half}<p>meant</p>", "a.html")
    assert not is_refused(sandbox, f"<p>open</p>{half.replace('fence', 'road')}<p>meant</p>", "a.html")


def test_a_marker_that_shows_is_one_however_its_letters_are_set(sandbox: Sandbox) -> None:
    page = (
        "<p>open<p>[<b>ring</b>&shy;<i>fence</i>\n level=<wbr>secret]<p>meant<p>[<span hidden>x</span>/ringfence]<p>z"
    )
    assert levels(sandbox.parse(page.encode(), "a.html")) == [("open", 0), ("meant", 4), ("z", 0)]
    table = f"<table><tr><th>a<th>b<tr><td colspan=2>{OPEN}<tr><td rowspan=3>meant<td>s<tr><td>t<tr><td>{CLOSE}</table>"
    assert {level for text, level in levels(sandbox.parse(table.encode(), "a.html")) if text != "a; b"} == {4}


def test_a_marker_that_markdown_takes_for_a_link_refuses_it(sandbox: Sandbox) -> None:
    for link in (f"{OPEN}: https://a.example", f"{OPEN}(https://a.example)"):
        assert is_refused(sandbox, f"{OPEN}\n\nmeant\n\n{link}\n", "a.md")
    named = "See [Ringfence](https://a.example) and [ringfence].\n\n[ringfence]: https://a.example\n"
    assert levels(sandbox.parse(named.encode(), "a.md")) == [("See Ringfence and ringfence.", 0)]
    code = f"Write:\n\n{OPEN}\n\n```\nmeant\n```\n\n{CLOSE}\n\n    open\n"
    assert levels(sandbox.parse(code.encode(), "a.md")) == [("Write:", 0), ("meant", 4), ("open", 0)]


def _part(kind: str, text: str, name: str = "") -> MIMEText:
    part = MIMEText(text, kind)
    if name:
        part.add_header("Content-Disposition", "inline", filename=name)
    return part


def _mail(*parts: Message, kind: str = "mixed") -> bytes:
    message = MIMEMultipart(kind, _subparts=parts)
    message["From"], message["Subject"] = "ann@example.com", "S"
    return message.as_bytes()


PAY = ("csv", "Name,Pay\nAnn,9\n", "pay.csv")


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_what_is_attached_within_a_section_is_as_strict_as_the_section(sandbox: Sandbox, kind: str) -> None:
    """As Apple Mail writes it: text, a file where it was dropped, text."""
    first, last = (
        (f"Open.\n\n{OPEN}", f"{CLOSE}\n\nOpen too.")
        if kind == "plain"
        else (f"<p>Open.<p>{OPEN}", f"<p>{CLOSE}<p>Open too.")
    )
    enclosed = MIMEMessage(message_from_bytes(b"Subject: Inner\n\nMeant too.\n"))
    message = _mail(
        _part(kind, first), _part(*PAY), enclosed, _part(kind, last), _part("csv", "Room,No\nA,1\n", "b.csv")
    )
    found = dict(levels(sandbox.parse(message, "a.eml"))[1:])
    assert found == {
        "Open.": 0,
        "Open too.": 0,
        "Name: Ann; Pay: 9": 4,
        "Subject: Inner": 4,
        "Meant too.": 4,
        "Room: A; No: 1": 0,
    }


def test_what_is_attached_to_an_alternative_that_is_not_shown_may_belong_to_any_section(sandbox: Sandbox) -> None:
    plain = MIMEMultipart(
        "mixed", _subparts=(_part("plain", f"{OPEN}\n\nMeant."), _part(*PAY), _part("plain", f"{CLOSE}\n\nOpen."))
    )
    page = _part("html", f"<p>{OPEN}<p>Meant.<p>{CLOSE}<p>Open.")
    found = dict(levels(sandbox.parse(_mail(plain, page, kind="alternative"), "a.eml"))[1:])
    assert found == {"Meant.": 4, "Open.": 0, "Name: Ann; Pay: 9": 4}


def test_an_end_in_what_is_attached_does_not_end_the_section_around_it(sandbox: Sandbox) -> None:
    for text in (f"{CLOSE}\n\nMeant.", f"{OPEN}\n\nMeant."):
        message = _mail(_part("plain", f"Open.\n\n{OPEN}"), _part("plain", text, "a.txt"), _part("plain", CLOSE))
        assert is_refused(sandbox, message.decode(), "a.eml")
    many = "".join(f"[ringfence level=secret compartments=compartment:c{n}]\n\n" for n in range(30))
    assert is_refused(sandbox, _mail(_part("plain", many), _part(*PAY)).decode(), "a.eml")


@pytest.mark.parametrize(
    ("begin", "end"), [([OPEN], [CLOSE]), ({"m": OPEN}, {"m": CLOSE}), ([[OPEN]], {"m": {"m": [CLOSE]}})]
)
def test_a_value_between_the_markers_of_a_record_stays_there(sandbox: Sandbox, begin: object, end: object) -> None:
    source = {
        "open": begin,
        "pay": 9,
        "none": None,
        "in": {"b": 1, "c": [2], "d": 3},
        "close": end,
        "e": 4,
        "f": {"g": 5},
    }
    document = sandbox.parse(json.dumps(source).encode(), "a.json")
    found = [(block.heading_path, *level) for block, level in zip(document.blocks, levels(document), strict=True)]
    read = [one for one in found if ":" in one[1] or "-" in one[1]]
    assert read == [
        (("pay",), "pay: 9", 4),
        (("in",), "b: 1", 4),
        (("in", "c"), "- 2", 4),
        (("in", "d"), "d: 3", 4),
        (("e",), "e: 4", 0),
        (("f",), "g: 5", 0),
    ]


def test_a_marker_that_is_the_key_of_nothing_refuses_the_record(sandbox: Sandbox) -> None:
    for empty in ({}, [], None):
        for source in ({OPEN: empty, "pay": 9}, [{OPEN: empty, "pay": 9}], {"a": [{OPEN: empty}, {"pay": 9}]}):
            assert is_refused(sandbox, json.dumps(source), "a.json")
            assert not is_refused(sandbox, json.dumps(source).replace("ringfence", "ring"), "a.json")


def test_records_without_markers_have_their_own_values_first(sandbox: Sandbox) -> None:
    source = b'{"a": {"b": 1}, "c": 2, "d": "[note]"}'
    assert levels(sandbox.parse(source, "a.json")) == [("c: 2; d: [note]", 0), ("b: 1", 0)]
