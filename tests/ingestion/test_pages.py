"""Pages as people see them: what shows is read, whatever it stands in; what does not is hidden content.

Expectations come from what browsers show of the page, and from audits of what was lost.
"""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenAction, HiddenKind, HiddenPolicy
from tests.ingestion.outcomes import said

EVERYTHING = HiddenPolicy(dict.fromkeys(HiddenKind, HiddenAction.INDEX))


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def lines(sandbox: Sandbox, body: str, head: str = "") -> list[str]:
    page = f"<html><head>{head}</head><body>{body}</body></html>".encode()
    return [text for _, text in said(sandbox.parse(page, "page.html"))]


def table(*rows: str, caption: str = "") -> str:
    return f"<table>{caption}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@pytest.mark.parametrize(
    ("sheet", "body", "is_hidden"),
    [
        ("", "<font color=white>WORDS</font>", True),
        (".w{color:#fff}", "<p class=w>WORDS</p>", True),
        ("", "<div style='height:0;overflow:hidden'><p>WORDS</p></div>", True),
        ("", "<div style='max-height:0px; overflow:hidden'>WORDS</div>", True),
        ("", "<p style='font-size:1px'>WORDS</p>", True),
        ("", "<p style='color:#fefefe'>WORDS</p>", True),
        ("", "<p style='color:transparent'>WORDS</p>", True),
        ("", "<p style='background:#123456;color:#123457'>WORDS</p>", True),
        (
            "",
            "<table><tr style='color:white'><td>WORDS</td><td>MORE</td></tr><tr><td>a</td><td>b</td></tr></table>",
            True,
        ),
        (".x{display:none !important}", "<p class=x style='display:block'>WORDS</p>", True),
        ("@media screen{.x{display:none}}", "<p class=x>WORDS</p>", True),
        ("<!-- .x{display:none} -->", "<p class=x>WORDS</p>", True),
        ("/* all */ p.x , #y{display:none}", "<p id=y>WORDS</p>", True),
        ("P.x{display:none}", "<p class=x>WORDS</p>", True),
        ("", "<div style='height:1px;overflow:hidden;padding:0 1px'>WORDS</div>", True),
        ("", "<font color=white style='background:navy'>WORDS</font>", False),
        (".w{color:#fff;background:#036}", "<p class=w>WORDS</p>", False),
        (".hero .w{background:#036} .w{color:#fff}", "<div class=hero><p class=w>WORDS</p></div>", False),
        ("", "<table><tr><td background='sky.png' style='color:white'>WORDS</td></tr></table>", False),
        ("", "<div style='height:0;overflow:hidden;padding-bottom:56%'>WORDS</div>", False),
        ("", "<div style='height:0'>WORDS</div>", False),
        ("", "<td style='font-size:0'><div style='font-size:13px'>WORDS</div></td>", False),
        ("", "<div style='visibility:hidden'><p style='visibility:visible'>WORDS</p></div>", False),
        ("", "<div style='color:white'><p style='color:#333'>WORDS</p></div>", False),
        ("", "<p style='font-size:0.8em'>WORDS</p>", False),
        (".x{display:none}", "<p class=x style='display:block'>WORDS</p>", False),
        ("@media (max-width:600px){.x{display:none}}", "<p class=x>WORDS</p>", False),
        ("@media print{.x{display:none}} p{margin:0}", "<p class=x>WORDS</p>", False),
        ("@media screen and (max-width:600px){.x{display:none}}", "<p class=x>WORDS</p>", False),
        (".x:hover{display:none}", "<p class=x>WORDS</p>", False),
    ],
)
def test_what_a_style_hides_is_hidden_and_its_twin_is_read(
    sandbox: Sandbox, sheet: str, body: str, is_hidden: bool
) -> None:
    page = f"<html><head><style>{sheet}</style></head><body><p>before</p>{body}<p>after</p></body></html>".encode()
    parsed = sandbox.parse(page, "page.html")
    read = " ".join(block.text for block in parsed.blocks)
    assert ("WORDS" in read, bool(parsed.hidden)) == (not is_hidden, is_hidden)
    assert read.startswith("before") and read.endswith("after")
    assert "WORDS" in " ".join(block.text for block in sandbox.parse(page, "page.html", EVERYTHING).blocks)


def test_each_hidden_passage_is_counted_once(sandbox: Sandbox) -> None:
    page = b"<p>a</p><div style='color:white'>one <b>passage</b> of <i>text</i></div><p>b</p><p hidden>two</p>"
    assert sandbox.parse(page, "page.html").hidden == {HiddenKind.INVISIBLE_TEXT: 2}


def test_what_pictures_and_fields_show_is_text(sandbox: Sandbox) -> None:
    body = """<p>See <img alt="chart"> and<img alt="Revenue grew by nine percent">so on</p><img src=x alt="">
      <form><fieldset><legend>Order</legend><button>Approve</button>
      <input value="Typed"><input type=submit value="Send">
      <input type=hidden value="TOKEN"><input type=password value="PASSWORD">
      <select><option>One</option><option selected>Two</option></select></fieldset></form>
      <textarea>  left
      as is</textarea><svg><title>TIP</title><defs><text>DEFS</text></defs><text>Label</text><text>Other</text></svg>
      <math><mi>x</mi><mo>=</mo><mn>4</mn></math>"""
    assert lines(sandbox, body) == [
        "See chart and\nRevenue grew by nine percent\nso on",
        "Order",
        "Approve Typed Send Two",
        "  left\n      as is",
        "Label Other x=4",
    ]


@pytest.mark.parametrize("body", ["<img alt='{}'>", "<input value='{}'>", "<select><option>{}</select>"])
def test_a_marker_in_a_picture_or_a_field_refuses_the_page(sandbox: Sandbox, body: str) -> None:
    assert lines(sandbox, f"<p>a</p>{body.format('[note]')}")[0] == "a"
    with pytest.raises(Refused) as refused:
        lines(sandbox, f"<p>a</p>{body.format('[ringfence level=secret]')}<p>b</p>")
    assert refused.value.reason is Reason.BAD_MARKER


def test_lists_keep_their_numbers_and_code_its_indentation(sandbox: Sandbox) -> None:
    body = """<ol start=3><li>three<ul><li>inner</ul><li><p>four</p><li value=9>nine</ol><ol type=a><li>x<li>y</ol>
      <pre>def f():\n    return 1</pre><pre>    indented\nless</pre>"""
    assert lines(sandbox, body) == [
        "3. three",
        "- inner",
        "4. four",
        "9. nine",
        "a. x",
        "b. y",
        "def f():\n    return 1",
        "    indented\nless",
    ]
    fenced = sandbox.parse(b"1. one\n2. two\n\n```python\ndef f():\n    return 1\n```\n", "a.md")
    assert [text for _, text in said(fenced)] == ["1. one", "2. two", "def f():\n    return 1"]


def test_a_raised_number_is_no_digit_of_the_one_before_it(sandbox: Sandbox) -> None:
    body = "<p>10<sup>6</sup> t of CO<sub>2</sub> for 500<sup>[1]</sup> on the 1<sup>st</sup></p>"
    assert lines(sandbox, body) == ["10^6 t of CO2 for 500[1] on the 1st"]


def test_a_marker_in_a_numbered_list_is_a_marker(sandbox: Sandbox) -> None:
    page = b"<ol><li>open<li>[ringfence level=secret]<li>closed</ol>"
    assert [int(block.tightening.level) for block in sandbox.parse(page, "page.html").blocks] == [0, 4]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            ("<th>Dept<th>Name<th>Pay", "<td rowspan=2>Sales<td>Ann<td>100", "<td>Bo<td>200"),
            ["Dept: Sales; Name: Ann; Pay: 100", "Dept: Sales; Name: Bo; Pay: 200"],
        ),
        (
            ("<th rowspan=2>Name<th colspan=2>Pay", "<th>2024<th>2025", "<td>Ann<td>1<td>2"),
            ["Name: Ann; Pay 2024: 1; Pay 2025: 2"],
        ),
        (("<td colspan=2>Total<td>9", "<td>a<td>b<td>c"), ["Total: a; Column 2: b; 9: c"]),
        (("<td><th>2024<th>2025", "<th>Revenue<td>1<td>2"), ["Revenue; 2024: 1; 2025: 2"]),
        (("<th>Name<td>Ann", "<th>Role<td>Head"), ["Name: Ann", "Role: Head"]),
        (("<td>Name:<td>Ann", "<td>Role:<td>Head"), ["Name: Ann", "Role: Head"]),
        (("<td><b>Name</b><td>Ann", "<td><b>Role</b><td>Head<br>of it"), ["Name: Ann", "Role: Head of it"]),
        (("<td><b>Name</b><td><b>Role</b>", "<td>Ann<td>Head"), ["Name: Ann; Role: Head"]),
        (
            ("<td colspan=2>Offer 17", "<td>Price is 500<td>Valid until May"),
            ["Offer 17", "Price is 500; Valid until May"],
        ),
        (("<td>Name<td>Signature", "<td><td>"), ["Name; Signature"]),
        (("<th>A<th>B", "<th>C<th>D<td>", "<td colspan=3>Part two", "<td>1<td>2"), ["Part two", "A C: 1; B D: 2"]),
        (("<th>A<th>B", "<td>1<td>2", "<th>C<th>D", "<td>3<td>4", "<th>E<th>F"), ["A: 1; B: 2", "C: 3; D: 4", "E; F"]),
    ],
)
def test_tables_are_read_by_the_names_of_their_columns_or_rows(
    sandbox: Sandbox, rows: tuple[str, ...], expected: list[str]
) -> None:
    assert lines(sandbox, table(*rows)) == expected
    assert lines(sandbox, table(*rows, caption="<caption>Table 1</caption>")) == ["Table 1", *expected]


@pytest.mark.parametrize("span", ["1000000000", "65534", "-3", "x", "٣", "9" * 400])
def test_any_number_may_stand_for_a_span(sandbox: Sandbox, span: str) -> None:
    wide = f"<td rowspan={span} colspan={span}>x"
    read = lines(sandbox, table("<th>A<th>B", wide, *["<td>1<td>2"] * 300))
    assert " ".join(read).count("x") >= 1 and len(read) == 301


def test_a_cell_that_spans_rows_does_not_reach_out_of_a_stricter_section(sandbox: Sandbox) -> None:
    """In a browser it would; its text would become readable with the rows behind the section."""
    rows = (
        "<th>A<th>B",
        "<td>[ringfence level=secret]",
        "<td rowspan=9>TAKEOVER<td>1",
        "<td>[/ringfence]",
        "<td>2<td>3",
    )
    parsed = sandbox.parse(table(*rows).encode(), "page.html")
    assert [(int(block.tightening.level), block.text) for block in parsed.blocks] == [
        (4, "A: TAKEOVER; B: 1"),
        (0, "A: 2; B: 3"),
    ]


def test_names_of_a_stricter_section_without_rows_stay_in_it(sandbox: Sandbox) -> None:
    rows = ("<td>[ringfence level=secret]", "<td>FALCON<td>PRICE", "<td>[/ringfence]", "<td>a<td>b")
    parsed = sandbox.parse(table(*rows).encode(), "page.html")
    assert [(int(block.tightening.level), block.text) for block in parsed.blocks] == [(4, "FALCON; PRICE"), (0, "a; b")]


@pytest.mark.parametrize(
    "body",
    [
        table("<td><h2>News</h2><p>First.</p><p>Second.</p>"),
        table("<td><h2>News</h2>", "<td><p>First.</p>", "<td>Second."),
        table("<td><h2>News</h2><p>First.</p>", "<td>Second.<td>"),
        table("<td><p>News</p><p>First.</p><td>Second."),
        table("<td>News<td>First.", "<td>Second.<td>").replace("<table", "<table role=presentation"),
        "<table>News" + table("<td>First.<td>").removeprefix("<table>") + "<p>Second.</p>",
    ],
)
def test_a_table_that_lays_out_a_page_is_read_as_the_page(sandbox: Sandbox, body: str) -> None:
    page = sandbox.parse(f"<html><body>{body}</body></html>".encode(), "page.html")
    assert [word for path, text in said(page) for word in (*path, text)][-2:] == ["First.", "Second."] or [
        text for _, text in said(page)
    ] == ["First.", "Second."]
    assert "News" in str(said(page)) and "Column" not in str(said(page))


def test_programs_and_style_sheets_are_not_deep_and_what_is_deep_is_refused(sandbox: Sandbox) -> None:
    program = "for(let i=0;i<a.length;i++){b.map(x=>x+1)}" * 400
    noise = f"<script>{program}</script><style>{program}</style><!-- <script> {'<div>' * 400} -->"
    assert lines(sandbox, f"{noise}<p>Hello</p>") == ["Hello"]
    for deep in ("<div>" * 300, f"<!-- <script> -->{'<div>' * 300}", f"<script></script>{'<b>' * 300}"):
        with pytest.raises(Refused) as refused:
            lines(sandbox, f"{deep}Hello")
        assert refused.value.reason is Reason.TOO_DEEP


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("iso-8859-1", "cp1252"), ("us-ascii", "cp1252"), ("us-ascii", "utf-8"), ("utf-16", "utf-8"),
     ("gb2312", "gb18030"), ("shift_jis", "cp932"), ("utf-7", "utf-8"), ("nonsense", "utf-8")],
)  # fmt: skip
def test_a_declared_encoding_is_read_as_browsers_read_it(sandbox: Sandbox, charset: str, encoding: str) -> None:
    text = "髙い ①" if encoding == "cp932" else "它㐀" if encoding == "gb18030" else "It\u2019s \u20ac100 +AGE-"
    page = f"<html><head><meta charset='{charset}'></head><body><p>{text}</p></body></html>".encode(encoding)
    assert [block.text for block in sandbox.parse(page, "page.html").blocks] == [text]
