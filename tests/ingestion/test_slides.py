"""Slides: what is drawn on them is read, what a viewer does not see is hidden content, and pictures are not silent."""

import pytest
from lxml import etree
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.enum.dml import MSO_THEME_COLOR
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Inches, Pt

from evals.hostile.samples import slides
from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import NAMESPACES, Fill, extracted, lines, parsed, picture, rewritten
from tests.ingestion.outcomes import said

WHITE = RGBColor(255, 255, 255)
_DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"


def boxed(deck: Fill, text: str, left: float = 1, shapes: Fill = None) -> Fill:
    """A run in a text box on the first slide, which says `shown` as well."""
    if not len(deck.slides):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "shown"
    held = deck.slides[0].shapes if shapes is None else shapes
    box = held.add_textbox(Inches(left), Inches(3), Inches(1), Inches(1))
    box.text_frame.text = text
    return box.text_frame.paragraphs[0].runs[0]


def _white(deck: Fill, *, shown: bool) -> None:
    if shown:
        boxed(deck, "shown")
        deck.slides[0].shapes.add_picture(picture(), 0, 0, deck.slide_width, deck.slide_height)
    boxed(deck, "HIDDEN").font.color.rgb = WHITE


def _paper_of_the_theme(deck: Fill, *, shown: bool) -> None:
    boxed(deck, "HIDDEN").font.color.theme_color = MSO_THEME_COLOR.TEXT_1 if shown else MSO_THEME_COLOR.BACKGROUND_1


def _of_the_color_of_its_box(deck: Fill, *, shown: bool) -> None:
    run = boxed(deck, "HIDDEN")
    run.font.color.rgb = WHITE if shown else RGBColor(0, 0, 128)
    box = deck.slides[0].shapes[-1]
    box.fill.solid()
    box.fill.fore_color.rgb = RGBColor(0, 0, 120)


def _white_on_a_dark_slide(deck: Fill, *, shown: bool) -> None:
    boxed(deck, "HIDDEN").font.color.rgb = WHITE if shown else RGBColor(4, 4, 4)
    fill = deck.slides[0].background.fill
    fill.solid()
    fill.fore_color.rgb = RGBColor(0, 0, 0)


def _tiny(deck: Fill, *, shown: bool) -> None:
    boxed(deck, "HIDDEN").font.size = Pt(8 if shown else 1)


def _in_a_group_beside(deck: Fill, *, shown: bool) -> None:
    boxed(deck, "shown")
    boxed(deck, "HIDDEN", 2 if shown else 30, deck.slides[0].shapes.add_group_shape().shapes)


def _in_a_group_that_is_moved_away(deck: Fill, *, shown: bool) -> None:
    boxed(deck, "shown")
    group = deck.slides[0].shapes.add_group_shape()
    boxed(deck, "HIDDEN", 1, group.shapes)
    group.left = Inches(2 if shown else 30)


def _in_a_group_switched_off(deck: Fill, *, shown: bool) -> None:
    boxed(deck, "shown")
    group = deck.slides[0].shapes.add_group_shape()
    boxed(deck, "HIDDEN", 1, group.shapes.add_group_shape().shapes)
    group._element.nvGrpSpPr.cNvPr.set("hidden", "0" if shown else "1")


@pytest.mark.parametrize(
    "hide",
    [
        _white,
        _paper_of_the_theme,
        _of_the_color_of_its_box,
        _white_on_a_dark_slide,
        _tiny,
        _in_a_group_beside,
        _in_a_group_that_is_moved_away,
        _in_a_group_switched_off,
    ],
)
def test_what_a_viewer_does_not_see_is_hidden_content_and_its_visible_twin_is_not(hide: Fill) -> None:
    hidden = slides(lambda deck: hide(deck, shown=False))
    assert set(lines(hidden, ".pptx")) == {"shown"}
    assert extracted(hidden, ".pptx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    assert "HIDDEN" in lines(hidden, ".pptx", HiddenKind.INVISIBLE_TEXT)
    shown = slides(lambda deck: hide(deck, shown=True))
    assert "HIDDEN" in lines(shown, ".pptx")
    assert extracted(shown, ".pptx").hidden == {}


@pytest.mark.parametrize("kind", [HiddenKind.SPEAKER_NOTE, HiddenKind.INVISIBLE_TEXT])
def test_what_is_hidden_on_a_hidden_slide_is_read_only_where_both_kinds_are(kind: HiddenKind) -> None:
    """The stricter of two policies wins: somebody who wants notes has not asked for the slides that were taken out."""

    def fill(deck: Fill) -> None:
        for name in ("SHOWN", "TAKEN OUT"):
            slide = deck.slides.add_slide(deck.slide_layouts[5])
            slide.shapes.title.text = name
            slide.notes_slide.notes_text_frame.text = f"{name} SPOKEN"
            slide.shapes.add_textbox(Inches(40), 0, 9, 9).text_frame.text = f"{name} BESIDE"
        slide._element.set("show", "0")

    data = slides(fill)
    one, both = "\n".join(lines(data, ".pptx", kind)), "\n".join(lines(data, ".pptx", kind, HiddenKind.HIDDEN_SLIDE))
    word = "SPOKEN" if kind is HiddenKind.SPEAKER_NOTE else "BESIDE"
    assert (f"SHOWN {word}" in one, "TAKEN OUT" in one) == (True, False)
    assert f"TAKEN OUT {word}" in both
    assert "TAKEN OUT" not in "\n".join(lines(data, ".pptx", *(set(HiddenKind) - {HiddenKind.HIDDEN_SLIDE})))


def test_charts_and_diagrams_are_read(sandbox: Sandbox) -> None:
    def fill(deck: Fill) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = "Results"
        data = CategoryChartData()
        data.categories = ["North", "South"]
        data.add_series("Revenue", (12.5, 99))
        data.add_series("Cost", (3, None))
        frame = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
        frame.chart.has_title = True
        frame.chart.chart_title.text_frame.text = "In million"
        _add_diagram(slide, "Approval by the board", "Signature")

    assert said(sandbox.parse(slides(fill), "deck.pptx")) == [
        (("Results",), "In million"),
        (("Results",), "North; Revenue: 12.5; Cost: 3"),
        (("Results",), "South; Revenue: 99"),
        (("Results",), "Approval by the board"),
        (("Results",), "Signature"),
    ]


def _add_diagram(slide: Fill, *steps: str) -> None:
    points = "".join(f"<d:pt><d:t><a:p><a:r><a:t>{step}</a:t></a:r></a:p></d:t></d:pt>" for step in steps)
    model = f'<d:dataModel xmlns:d="{_DIAGRAM}" {NAMESPACES}><d:ptLst>{points}</d:ptLst></d:dataModel>'
    kind = "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"
    part = Part(PackURI("/ppt/diagrams/data1.xml"), kind, slide.part.package, model.encode())
    relation = slide.part.relate_to(
        part, "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"
    )
    slide.shapes._spTree.append(
        etree.fromstring(
            f'<p:graphicFrame {NAMESPACES}><p:nvGraphicFramePr><p:cNvPr id="9" name="d"/><p:cNvGraphicFramePr/>'
            f'<p:nvPr/></p:nvGraphicFramePr><p:xfrm/><a:graphic><a:graphicData uri="{_DIAGRAM}"><d:relIds '
            f'xmlns:d="{_DIAGRAM}" r:dm="{relation}"/></a:graphicData></a:graphic></p:graphicFrame>'
        )
    )


def _on_layout(text: str, *, by_master: bool = False, properties: str = "", shown: bool = True) -> bytes:
    """Two slides of a layout that says `text` in a box of its own, or whose master does; `shown`: not switched off."""

    def fill(deck: Fill) -> None:
        layout = deck.slide_layouts[5]
        held = deck.slide_master if by_master else layout
        run = f"<a:r>{properties}<a:t>{text}</a:t></a:r>"
        box = (
            f'<p:sp {NAMESPACES}><p:nvSpPr><p:cNvPr id="99" name="t"/><p:cNvSpPr txBox="1"/><p:nvPr userDrawn="1"/>'
            f'</p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p>{run}<a:fld id="x" type="slidenum"><a:t>7</a:t></a:fld>'
            "</a:p></p:txBody></p:sp>"
        )
        held.shapes._spTree.append(etree.fromstring(box))
        if not shown:
            layout._element.set("showMasterSp", "0")
        for title in ("One", "Two"):
            slide = deck.slides.add_slide(layout)
            slide.shapes.title.text = title
            if not shown and not by_master:
                slide._element.set("showMasterSp", "0")

    return slides(fill)


@pytest.mark.parametrize("by_master", [False, True])
def test_what_a_layout_says_on_every_slide_is_read_once_unless_it_is_switched_off(by_master: bool) -> None:
    assert lines(_on_layout("Strictly confidential", by_master=by_master), ".pptx").count("Strictly confidential") == 1
    assert "Strictly confidential" not in lines(
        _on_layout("Strictly confidential", by_master=by_master, shown=False), ".pptx"
    )


def test_what_nobody_sees_on_a_layout_is_hidden_content_and_a_marker_there_refuses_the_deck() -> None:
    tiny = _on_layout("WORDS", properties='<a:rPr sz="100"/>')
    assert "WORDS" not in "".join(lines(tiny, ".pptx"))
    assert extracted(tiny, ".pptx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    assert extracted(_on_layout("WORDS", properties='<a:rPr sz="1000"/>'), ".pptx").hidden == {}
    with pytest.raises(Refused) as refused:
        parsed(_on_layout("[ringfence level=secret]"), ".pptx")
    assert refused.value.reason is Reason.BAD_MARKER


def test_a_footer_is_read_once_beside_the_slides() -> None:
    footer = (
        f'<p:sp {NAMESPACES}><p:nvSpPr><p:cNvPr id="99" name="f"/><p:cNvSpPr/><p:nvPr><p:ph type="ftr"/></p:nvPr>'
        "</p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>Only for the board</a:t></a:r></a:p></p:txBody></p:sp>"
    )

    def fill(deck: Fill) -> None:
        for name in ("One", "Two"):
            slide = deck.slides.add_slide(deck.slide_layouts[5])
            slide.shapes.title.text = name
            slide.shapes._spTree.append(etree.fromstring(footer))

    pieces = extracted(slides(fill), ".pptx").pieces
    assert [(piece.text, piece.beside) for piece in pieces] == [
        ("One", False),
        ("Two", False),
        ("Only for the board", True),
    ]


def test_slides_without_text_are_noted_and_a_deck_of_nothing_else_is_refused(sandbox: Sandbox) -> None:
    def fill(deck: Fill, *, title: str = "", silent: int = 2) -> None:
        for _ in range(silent):
            deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_picture(picture(), 0, 0)
        if title:
            deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title

    with pytest.raises(Refused) as refused:
        extracted(slides(fill), ".pptx")
    assert refused.value.reason is Reason.IMAGE_ONLY
    for silent, note in ((1, "slide 1 of 2"), (2, "slides 1 2 of 3"), (10, "slides 1 2 3 4 5 6 7 8 and 2 more of 11")):
        made = slides(lambda deck, silent=silent: fill(deck, title="Words", silent=silent))
        some = sandbox.parse(made, "some.pptx")
        assert [block.text for block in some.blocks] == ["Words"]
        assert some.notes == (f"no text on {note}",)


@pytest.mark.parametrize(
    ("first_row", "first_column", "columns", "read"),
    [
        (True, False, 2, ["Name: Ann; Room: 12"]),
        (False, False, 2, ["Name: Room", "Ann: 12"]),
        (False, True, 3, ["Name: Room; Pay", "Ann: 12; 9"]),
        (True, True, 3, ["Name: Ann; Room: 12; Pay: 9"]),
    ],
)
def test_a_table_of_a_slide_says_what_names_its_values(
    first_row: bool, first_column: bool, columns: int, read: list[str]
) -> None:
    def fill(deck: Fill) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        table = slide.shapes.add_table(2, columns, 0, 0, Inches(4), Inches(1)).table
        table.first_row, table.first_col = first_row, first_column
        for number, cells in enumerate((("Name", "Room", "Pay"), ("Ann", "12", "9"))):
            for column in range(columns):
                table.cell(number, column).text = cells[column]

    assert lines(slides(fill), ".pptx") == read


def test_a_deck_with_a_broken_layout_is_read() -> None:
    def fill(deck: Fill) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = "Words"
        relation = next(key for key, one in slide.part.rels.items() if one.reltype.endswith("/slideLayout"))
        slide.part.rels.pop(relation)

    assert lines(slides(fill), ".pptx") == ["Words"]


def test_a_slide_show_is_a_deck() -> None:
    def fill(deck: Fill) -> None:
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "Words"

    show = rewritten(
        slides(fill),
        lambda name, part: part.replace(b"presentationml.presentation.main+xml", b"presentationml.slideshow.main+xml"),
    )
    assert [block.text for block in parsed(show, ".pptx").blocks] == ["Words"]
