"""Markers of pages, records and messages: none is lost with what is left out, and none ends up beside what it is for.

From the design: a marker that cannot be honoured refuses the document.
"""

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
