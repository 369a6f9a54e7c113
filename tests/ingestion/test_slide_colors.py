"""White text on slides: it is read wherever something that is not white may lie behind it, and hidden content else."""

import pytest
from lxml import etree
from pptx.dml.color import RGBColor
from pptx.util import Inches

from evals.hostile.samples import slides
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import NAMESPACES, Fill, extracted, lines, parsed, picture, rewritten

WHITE = RGBColor(255, 255, 255)
_DARK = '<a:{0} {1}><a:solidFill><a:srgbClr val="002060"/></a:solidFill></a:{0}>'


def white(holder: Fill, text: str = "WORDS") -> Fill:
    holder.text_frame.text = ""
    run = holder.text_frame.paragraphs[0].add_run()
    run.text, run.font.color.rgb = text, WHITE
    return run._r.get_or_add_rPr()


def slide_of(deck: Fill) -> Fill:
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.add_textbox(0, Inches(5), Inches(5), Inches(1)).text_frame.text = "plain"
    return slide


def _title(deck: Fill, painted: str) -> None:
    slide = slide_of(deck)
    white(slide.shapes.title)
    if painted == "photo":
        made = slide.shapes.add_picture(picture(), 0, 0, Inches(10), Inches(7))
    else:
        made = slide.shapes.add_shape(1, 0, 0, Inches(10), Inches(2))
        made.fill.solid()
        made.fill.fore_color.rgb = RGBColor(0, 32, 96) if painted else WHITE
    if painted != "after":
        slide.shapes.title._element.addprevious(made._element)


def _run(deck: Fill, properties: str) -> None:
    slide = slide_of(deck)
    slide.shapes.title.text = "plain"
    box = slide.shapes.add_textbox(0, 0, Inches(5), Inches(1))
    inside = etree.fromstring(properties)
    white(box).insert(0 if inside.tag.endswith("ln") else 1, inside)


def _place(deck: Fill, filled: bool) -> None:
    layout = deck.slide_layouts[5]
    for fill in etree.fromstring(_DARK.format("x", NAMESPACES)) if filled else ():
        layout.placeholders[0]._element.spPr.append(fill)
    white(slide_of(deck).shapes.title)


def _by_override(deck: Fill, mapped: str) -> None:
    """On the paper of the theme, whose names the slide gives other colours."""
    slide = slide_of(deck)
    slide.shapes.title.text = "plain"
    white(slide.shapes.add_textbox(0, 0, Inches(5), Inches(1)))
    paper = '<p:bg {}><p:bgRef idx="1001"><a:schemeClr val="bg1"/></p:bgRef></p:bg>'
    slide._element.cSld.insert(0, etree.fromstring(paper.format(NAMESPACES)))
    slide._element.find(f"{{{slide._element.nsmap['p']}}}clrMapOvr")[:] = [
        etree.fromstring(f"<a:{mapped} {NAMESPACES}/>")
    ]


def _by_list(deck: Fill, properties: str, own: str = "", level: int = 0) -> None:
    """A run that says `own` about itself, in a box whose list style says `properties` about the first level."""
    slide = slide_of(deck)
    slide.shapes.title.text = "plain"
    frame = slide.shapes.add_textbox(0, 0, Inches(5), Inches(1)).text_frame
    frame.text = "WORDS"
    frame.paragraphs[0].level = level
    style = f"<a:lstStyle {NAMESPACES}><a:lvl1pPr><a:defRPr {properties}</a:defRPr></a:lvl1pPr></a:lstStyle>"
    for old in frame._txBody.findall(f"{{{frame._txBody.nsmap['a']}}}lstStyle"):
        frame._txBody.remove(old)
    frame._txBody.insert(1, etree.fromstring(style))
    if own:
        frame.paragraphs[0].runs[0]._r.insert(0, etree.fromstring(f"<a:rPr {NAMESPACES} {own}</a:rPr>"))


_WHITE_FILL = '><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill>'
_BLACK_FILL = _WHITE_FILL.replace("FFFFFF", "000000")
_HIGHLIGHT = '<a:highlight {}><a:srgbClr val="{}"/></a:highlight>'
_LINE = "<a:ln {}>{}</a:ln>"


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        (lambda deck: _title(deck, "dark"), lambda deck: _title(deck, "")),
        (lambda deck: _title(deck, "photo"), lambda deck: _title(deck, "after")),
        (
            lambda deck: _run(deck, _HIGHLIGHT.format(NAMESPACES, "000000")),
            lambda deck: _run(deck, _HIGHLIGHT.format(NAMESPACES, "FFFFFF")),
        ),
        (
            lambda deck: _run(deck, _DARK.format("ln", NAMESPACES)),
            lambda deck: _run(deck, _LINE.format(NAMESPACES, "<a:noFill/>")),
        ),
        (lambda deck: _place(deck, True), lambda deck: _place(deck, False)),
        (lambda deck: _by_override(deck, "overrideClrMapping"), lambda deck: _by_override(deck, "masterClrMapping")),
        (lambda deck: _by_list(deck, 'sz="1000">'), lambda deck: _by_list(deck, 'sz="100">')),
        (lambda deck: _by_list(deck, _WHITE_FILL, _BLACK_FILL), lambda deck: _by_list(deck, _WHITE_FILL)),
        (lambda deck: _by_list(deck, _WHITE_FILL, level=1), lambda deck: _by_list(deck, _BLACK_FILL, _WHITE_FILL)),
    ],
)
def test_white_text_is_read_where_something_dark_is_behind_it(shown: Fill, hidden: Fill) -> None:
    read = parsed(slides(shown), ".pptx")
    assert "WORDS" in str([(block.heading_path, block.text) for block in read.blocks])
    assert read.hidden == {}
    left_out = extracted(slides(hidden), ".pptx")
    assert "WORDS" not in [piece.text for piece in left_out.pieces]
    assert left_out.hidden == {HiddenKind.INVISIBLE_TEXT: 1}


def test_a_large_theme_of_many_slides_costs_what_one_costs(sandbox: Sandbox) -> None:
    def fill(deck: Fill) -> None:
        for number in range(300):
            deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = f"t{number}"

    def grown(name: str, part: bytes) -> bytes:
        extra = b"<a:extLst>" + b"<a:ext/>" * 400_000 + b"</a:extLst></a:theme>"
        return part.replace(b"</a:theme>", extra) if name == "ppt/theme/theme1.xml" else part

    assert len(sandbox.parse(rewritten(slides(fill), grown), "deck.pptx").blocks) == 300


def test_equations_of_slides_are_read() -> None:
    power = (
        '<a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"><m:oMath><m:sSup><m:e><m:r><m:t>c</m:t>'
        "</m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></a14:m>"
    )
    choice = '<mc:Choice Requires="a14">{}</mc:Choice><mc:Fallback><a:r><a:t>(a picture)</a:t></a:r></mc:Fallback>'
    for inside in (power, f"<mc:AlternateContent>{choice.format(power)}</mc:AlternateContent>"):

        def fill(deck: Fill, inside: str = inside) -> None:
            box = slide_of(deck).shapes[-1]
            words = f"<a:p {NAMESPACES}><a:r><a:t>E = m</a:t></a:r>{inside}</a:p>"
            box.text_frame._txBody.append(etree.fromstring(words))

        assert lines(slides(fill), ".pptx") == ["plain", "E = mc^(2)"]
