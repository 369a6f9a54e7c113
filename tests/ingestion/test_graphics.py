"""Charts and diagrams of Office documents: read once, within limits, and no place for markers."""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from tests.ingestion.office_documents import body, extracted, lines, paragraph, rewritten

_KIND = b"application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
_RELATED = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/chart"
_C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
_REFERENCE = f'<w:r><w:drawing><c:chart {_C} r:id="rId900"/></w:drawing></w:r>'


_CX = 'xmlns:cx="http://schemas.microsoft.com/office/drawing/2014/chartex"'
_NEW_REFERENCE = f'<w:r><w:drawing><cx:chart {_CX} r:id="rId900"/></w:drawing></w:r>'
_WATERFALL = f"""<cx:chartSpace {_CX}><cx:chartData><cx:data id="0">
<cx:strDim type="cat"><cx:lvl><cx:pt idx="0">Start</cx:pt><cx:pt idx="1">Rent</cx:pt></cx:lvl></cx:strDim>
<cx:numDim type="val"><cx:lvl formatCode="0.0"><cx:pt idx="0">5</cx:pt><cx:pt idx="1">-2</cx:pt></cx:lvl></cx:numDim>
</cx:data></cx:chartData><cx:chart><cx:title><cx:tx><cx:txData><cx:v>Cash</cx:v></cx:txData></cx:tx></cx:title>
<cx:plotArea><cx:plotAreaRegion><cx:series><cx:tx><cx:txData><cx:v>Sum</cx:v></cx:txData></cx:tx><cx:dataId val="0"/>
</cx:series></cx:plotAreaRegion></cx:plotArea></cx:chart></cx:chartSpace>"""


def charted(inside: str, references: int = 1, reference: str = _REFERENCE) -> bytes:
    """A Word document that points to one chart so many times: a whole one, or what is in one."""

    def related(name: str, part: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            relation = b'<Relationship Id="rId900" Type="%s" Target="charts/chart1.xml"/></Relationships>' % _RELATED
            return part.replace(b"</Relationships>", relation)
        override = b'<Override PartName="/word/charts/chart1.xml" ContentType="%s"/></Types>' % _KIND
        return part.replace(b"</Types>", override)

    document = body(paragraph("Text."), paragraph(reference * references))
    whole = inside.startswith(("<c:chartSpace", "<cx:chartSpace"))
    chart = inside if whole else f"<c:chartSpace {_C}><c:chart>{inside}</c:chart></c:chartSpace>"
    return rewritten(document, related, {"word/charts/chart1.xml": chart.encode()})


def points(texts: list[str], *, same: bool = False) -> str:
    return "".join(f'<c:pt idx="{0 if same else n}"><c:v>{text}</c:v></c:pt>' for n, text in enumerate(texts))


def series(name: str, values: str) -> str:
    return f"<c:ser><c:tx>{points([name])}</c:tx><c:val>{values}</c:val></c:ser>"


def test_a_large_chart_that_is_pointed_to_often_is_read_once(sandbox: Sandbox) -> None:
    large = series("Pay", points(["1"])) + "<c:x/>" * 200_000
    found = sandbox.parse(charted(large, 500), "x.docx")
    assert [block.text for block in found.blocks] == ["Text.", *["Point 0; Pay: 1"] * 500]


def test_values_of_one_place_cost_what_they_are_long(sandbox: Sandbox) -> None:
    repeated = series("Pay", points(["a" * 20] * 80_000, same=True))
    with pytest.raises(Refused) as refused:
        sandbox.parse(charted(repeated), "x.docx")
    assert refused.value.reason is Reason.TOO_MUCH_TEXT
    assert lines(charted(series("Pay", points(["b", "a"], same=True))), ".docx") == ["Text.", "Point 0; Pay: a b"]


def test_a_long_name_of_a_series_is_cut_beside_its_values(sandbox: Sandbox) -> None:
    found = sandbox.parse(charted(series("n" * 1_000_000, points(["1", "2"] * 300))), "x.docx")
    assert found.blocks[1].text == f"Point 0; {'n' * 100}…: 1"
    assert len(found.blocks) == 601


def test_a_marker_in_a_chart_refuses_the_document() -> None:
    with pytest.raises(Refused) as refused:
        lines(charted(series("Pay", points(["[ringfence level=secret]"]))), ".docx")
    assert refused.value.reason is Reason.BAD_MARKER


def _cached(name: str, texts: list[str], number_format: str) -> str:
    formatted = f"<c:formatCode>{number_format}</c:formatCode>{points(texts)}"
    return f"<c:{name}><c:numRef><c:numCache>{formatted}</c:numCache></c:numRef></c:{name}>"


def test_dates_and_shares_of_a_chart_are_read_as_it_shows_them(sandbox: Sandbox) -> None:
    named = f"<c:tx>{points(['Share'])}</c:tx>{_cached('cat', ['46023.0', '46054'], 'd/m/yyyy')}"
    one = f"<c:ser>{named}{_cached('val', ['0.25', '0.5'], '0%')}</c:ser>"
    read = ["Text.", "2026-01-01; Share: 25%", "2026-02-01; Share: 50%"]
    assert [block.text for block in sandbox.parse(charted(one), "x.docx").blocks] == read
    mac = f'<c:chartSpace {_C}><c:date1904 val="1"/><c:chart>{one}</c:chart></c:chartSpace>'
    assert lines(charted(mac), ".docx")[1] == "2030-01-02; Share: 25%"
    assert lines(charted(one.replace("46023.0", "soon")), ".docx")[1] == "soon; Share: 25%"


def test_what_an_author_wrote_to_a_point_of_a_chart_is_read_with_it() -> None:
    label = (
        '<c:dLbls><c:dLbl><c:idx val="1"/><c:tx><c:rich><a:p xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/'
        'main"><a:r><a:t>after the strike</a:t></a:r></a:p></c:rich></c:tx></c:dLbl></c:dLbls>'
    )
    one = series("Pay", points(["1", "2"])).replace("<c:val>", f"{label}<c:val>")
    assert lines(charted(one), ".docx")[1:] == ["Point 0; Pay: 1", "Point 1; Pay: 2 (after the strike)"]


def test_a_chart_of_the_newer_kind_is_read_and_one_that_is_missing_is_noted() -> None:
    made = charted(_WATERFALL, reference=_NEW_REFERENCE)
    assert lines(made, ".docx") == ["Text.", "Cash", "Start; Sum: 5.0", "Rent; Sum: -2.0"]
    assert extracted(made, ".docx").notes == ()
    missing = extracted(body(paragraph("Text."), paragraph(_NEW_REFERENCE)), ".docx")
    assert missing.notes == ("a chart or diagram is missing in the file",)
