"""Where things stand in a Word document: what may lie under white text, and what is on no page at all."""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import body, extracted, lines, paragraph, table_row

_WHITE = '<w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>{}</w:t></w:r>'
_NO_FILL, _DARK, _LIGHT = (
    "<a:noFill/>",
    *(f'<a:solidFill><a:srgbClr val="{color}"/></a:solidFill>' for color in ("002060", "FFFFFF")),
)


def shape(fill: str, *inside: str, behind: int = 0, width: int = 9_000_000, at: str = "") -> str:
    box = f"<wps:txbx><w:txbxContent>{''.join(inside)}</w:txbxContent></wps:txbx>" if inside else ""
    return (
        f'<w:r><w:drawing><wp:anchor behindDoc="{behind}">{at}<wp:extent cx="{width}" cy="9000000"/><wp:docPr id="1" '
        f'name="s"/><a:graphic><a:graphicData uri="x"><wps:wsp><wps:spPr>{fill}</wps:spPr>{box}</wps:wsp>'
        "</a:graphicData></a:graphic></wp:anchor></w:drawing></w:r>"
    )


WORDS = paragraph(_WHITE.format("WORDS"))


@pytest.mark.parametrize(
    ("elements", "is_read"),
    [
        ((paragraph(shape(_DARK, behind=1)), WORDS), True),
        ((paragraph(shape(_LIGHT, behind=1)), WORDS), False),
        ((paragraph(shape(_NO_FILL, behind=1)), WORDS), False),
        ((paragraph(shape(_DARK)), WORDS), False),
        ((paragraph(shape(_DARK, behind=1, width=9_000)), WORDS), False),
        ((paragraph(shape(_DARK)), paragraph(shape(_NO_FILL, WORDS))), True),
        ((paragraph(shape(_NO_FILL, WORDS)),), False),
        ((paragraph(shape(_DARK, WORDS)),), True),
    ],
)
def test_white_text_is_read_where_something_dark_may_lie_under_it(elements: tuple[str, ...], is_read: bool) -> None:
    data = body(paragraph("plain"), *elements)
    assert lines(data, ".docx") == (["plain", "WORDS"] if is_read else ["plain"])
    assert extracted(data, ".docx").hidden == ({} if is_read else {HiddenKind.INVISIBLE_TEXT: 1})


def test_bookmarks_before_the_style_of_a_table_do_not_hide_it() -> None:
    marks = "".join(f'<w:bookmarkStart w:id="{number}" w:name="b{number}"/>' for number in range(9))

    def made(style: str) -> bytes:
        rows = table_row(WORDS, WORDS), table_row("a", "b")
        return body(f'<w:tbl>{marks}<w:tblPr><w:tblStyle w:val="{style}"/></w:tblPr>{"".join(rows)}</w:tbl>')

    assert "WORDS" in "".join(lines(made("LightList-Accent1"), ".docx"))
    assert "WORDS" not in "".join(lines(made("TableGrid"), ".docx"))


def _placed(offset: int, of: str = "page", axis: str = "H") -> str:
    place = f'<wp:position{axis} relativeFrom="{of}"><wp:posOffset>{offset}</wp:posOffset></wp:position{axis}>'
    return paragraph("plain", shape(_LIGHT, paragraph("WORDS"), at=place, width=900_000))


def _framed(x: int, anchor: str = "page") -> str:
    frame = f'<w:framePr w:w="900" w:x="{x}" w:hAnchor="{anchor}"/>'
    return f"<w:p><w:pPr>{frame}</w:pPr><w:r><w:t>WORDS</w:t></w:r></w:p>"


def _low(height: int, rule: str = "exact") -> str:
    properties = f'<w:trPr><w:trHeight w:val="{height}" w:hRule="{rule}"/></w:trPr>'
    return f"<w:tbl>{table_row('a', 'b', 'c')}{table_row('WORDS', '1', '2', properties=properties)}</w:tbl>"


_W14 = 'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"'


def _lined(properties: str) -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>WORDS</w:t></w:r></w:p>"


def _painted(properties: str) -> str:
    return f"<w:p><w:r><w:rPr>{properties}</w:rPr><w:t>WORDS</w:t></w:r></w:p>"


def _filled(color: str, shows_through: int = 0) -> str:
    alpha = f'<w14:alpha w14:val="{shows_through}"/>'
    solid = f'<w14:solidFill><w14:srgbClr w14:val="{color}">{alpha}</w14:srgbClr></w14:solidFill>'
    return f"<w14:textFill {_W14}>{solid}</w14:textFill>"


def _outlined(color: str) -> str:
    return _filled(color).replace("textFill", "textOutline")


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        (_placed(-90_000_000), _placed(-500_000)),
        (_placed(30_000_000, "column"), _placed(-1_000_000, "margin")),
        (_placed(30_000_000, axis="V"), _placed(30_000_000, "paragraph", "V")),
        (
            paragraph("plain", shape(_LIGHT, paragraph("WORDS"), width=1)),
            paragraph("plain", shape(_LIGHT, paragraph("WORDS"), width=90_000)),
        ),
        (_framed(-30_000), _framed(-30)),
        (_framed(30_000, "text"), _framed(3_000, "text")),
        (_low(1), _low(1, "atLeast")),
        (_low(39), _low(300)),
        (_lined('<w:spacing w:line="1" w:lineRule="exact"/>'), _lined('<w:spacing w:line="1" w:lineRule="auto"/>')),
        (_lined('<w:ind w:left="-30000"/>'), _lined('<w:ind w:left="-30000"/><w:jc w:val="right"/>')),
        (_lined('<w:ind w:left="30000"/>'), _lined('<w:ind w:left="30000" w:hanging="30000"/>')),
        (
            _lined('<w:spacing w:line="1" w:lineRule="exact"/>'),
            paragraph(shape(_LIGHT, paragraph("WORDS"))).replace(
                "<w:p>", '<w:p><w:pPr><w:spacing w:line="1" w:lineRule="exact"/></w:pPr>', 1
            ),
        ),
        (_painted(f"<w14:textFill {_W14}><w14:noFill/></w14:textFill>"), _painted("")),
        (_painted(_filled("FFFFFF")), _painted(_filled("FF0000"))),
        (_painted(_filled("000000", 100_000)), _painted(_filled("000000", 40_000))),
        (_painted(_filled("FFFFFF") + _outlined("FFFFFF")), _painted(_filled("FFFFFF") + _outlined("000000"))),
        (_painted('<w:color w:val="FFFFFF"/>'), _painted('<w:color w:val="FFFFFF"/><w:shadow/>')),
        (_painted('<w:color w:val="FFFFFF"/>'), _painted('<w:color w:val="FFFFFF"/>' + _outlined("000000"))),
        (_painted('<w:w w:val="1"/>'), _painted('<w:w w:val="66"/>')),
        (
            _painted('<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:fill="auto"/>'),
            _painted('<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:fill="auto" w:themeFill="text1"/>'),
        ),
    ],
)
def test_what_is_on_no_page_is_hidden_content_and_its_twin_on_the_page_is_not(hidden: str, shown: str) -> None:
    off, on = body(paragraph("x"), hidden), body(paragraph("x"), shown)
    assert "WORDS" not in "".join(lines(off, ".docx"))
    assert extracted(off, ".docx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    assert "WORDS" in "".join(lines(off, ".docx", HiddenKind.INVISIBLE_TEXT))
    assert "WORDS" in "".join(lines(on, ".docx"))
    assert extracted(on, ".docx").hidden == {}


def test_a_row_of_more_columns_than_any_table_has_is_refused(sandbox: Sandbox) -> None:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="63"/></w:tcPr><w:p/></w:tc>'

    def made(cells: int, rows: int) -> bytes:
        return body(paragraph("Text."), f"<w:tbl>{f'<w:tr>{cell * cells}</w:tr>' * rows}</w:tbl>")

    assert [block.text for block in sandbox.parse(made(3, 10), "x.docx").blocks] == ["Text."]
    for cells, rows in ((20_000, 10), (15, 3_000)):
        with pytest.raises(Refused) as refused:
            sandbox.parse(made(cells, rows), "x.docx")
        assert refused.value.reason is Reason.TOO_MUCH_TEXT
