"""Charts and diagrams of Office documents: read once, within limits, and no place for markers."""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from tests.ingestion.office_documents import body, lines, paragraph, rewritten

_KIND = b"application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
_RELATED = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/chart"
_C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
_REFERENCE = f'<w:r><w:drawing><c:chart {_C} r:id="rId900"/></w:drawing></w:r>'


def charted(inside: str, references: int = 1) -> bytes:
    """A Word document that points to one chart so many times."""

    def related(name: str, part: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            relation = b'<Relationship Id="rId900" Type="%s" Target="charts/chart1.xml"/></Relationships>' % _RELATED
            return part.replace(b"</Relationships>", relation)
        override = b'<Override PartName="/word/charts/chart1.xml" ContentType="%s"/></Types>' % _KIND
        return part.replace(b"</Types>", override)

    document = body(paragraph("Text."), paragraph(_REFERENCE * references))
    chart = f"<c:chartSpace {_C}><c:chart>{inside}</c:chart></c:chartSpace>"
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
