"""What holds of every reader of pages without text: processes of ours, and a docling-serve.

What is on a page is said by its width (`page_reader`), so that both see the same.
"""

from collections.abc import Iterator

import pytest
from fpdf import FPDF

from ingestion.parse.confine import Limits
from ingestion.parse.document import Reason, Refused
from ingestion.parse.ocr import CODE, OcrParser, open_parser
from ingestion.parse.pages import ConfinedPages
from ingestion.parse.sandbox import Program, Sandbox
from policies.rules import Level
from rag.ingestion_settings import IngestionSettings
from tests.ingestion import page_reader
from tests.ingestion.docling_stand_in import KEY, StandIn, running
from tests.ingestion.page_reader import MARKER, NOTHING, TABLE, TEXT
from tests.ingestion.scans import page_of, pdf, shown

LIMITS = {"ocr_pages_max": 3, "text_chars_max": 10_000}


@pytest.fixture(scope="module", params=["confined", "docling"])
def parser(request: pytest.FixtureRequest) -> Iterator[OcrParser]:
    if request.param == "docling":
        with running(StandIn()) as service:
            settings = IngestionSettings(ocr="docling", docling_url=service.url, docling_api_key=KEY, **LIMITS)
            with open_parser(settings) as opened:
                assert isinstance(opened, OcrParser)
                yield opened
        return
    program, limits = Program(CODE, arguments=(page_reader.__name__, "no models")), Limits(20, 2, 2_000_000_000, 10_000)
    with Sandbox(limits) as sandbox, Sandbox(limits, program) as reader:
        yield OcrParser(sandbox, ConfinedPages(reader), IngestionSettings(ocr="rapidocr", **LIMITS))


def refusal(parser: OcrParser, data: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        parser.parse(data, "scan.pdf")
    return caught.value.reason


def test_recognised_pages_stand_at_their_place_among_the_others(parser: OcrParser) -> None:
    parsed = parser.parse(pdf("A first page.", TEXT, "A third page.", NOTHING), "mixed.pdf")
    assert shown(parsed) == [(1, "A first page."), (2, "Ann Lee signed."), (3, "A third page.")]
    assert parsed.notes == ("text recognised on page 2", "no text on page 4")


def test_headings_and_tables_of_a_page_are_kept_and_its_number_is_ours(parser: OcrParser) -> None:
    parsed = parser.parse(pdf(TABLE), "scan.pdf")
    assert shown(parsed) == [(1, "Hall: three; Rent: 400")]
    assert parsed.blocks[0].heading_path == ("Rents",)


def test_a_section_that_begins_in_text_holds_for_the_recognised_pages_in_it(parser: OcrParser) -> None:
    parsed = parser.parse(pdf("[ringfence level=secret]", TEXT, "[/ringfence]", "Open."), "mixed.pdf")
    assert [(block.page, block.tightening.level) for block in parsed.blocks] == [(2, Level.SECRET), (4, Level.PUBLIC)]


def test_what_looks_like_a_marker_on_a_recognised_page_refuses_the_document(parser: OcrParser) -> None:
    """It may have been read wrong: then it would protect less than its author meant."""
    assert refusal(parser, pdf("Text.", MARKER)) is Reason.BAD_MARKER
    assert parser.parse(pdf("Text.", TEXT), "scan.pdf").blocks


def test_documents_within_the_document_follow_its_pages(parser: OcrParser) -> None:
    """Theirs have numbers of their own."""
    within = FPDF()
    for words in ("One.", "Two."):
        page_of((20, 40, 11, words), onto=within)
    written = FPDF(unit="pt")
    for width in (TEXT, NOTHING):
        written.add_page(format=(width, 90))
    page_of((20, 40, 11, "A third page."), onto=written)
    written.embed_file(bytes=bytes(within.output()), basename="annex.pdf")
    parsed = parser.parse(bytes(written.output()), "mixed.pdf")
    assert [text for _, text in shown(parsed)] == ["Ann Lee signed.", "A third page.", "One.", "Two."]


def test_a_document_on_which_nothing_is_recognised_is_refused(parser: OcrParser) -> None:
    assert refusal(parser, pdf(NOTHING, NOTHING)) is Reason.IMAGE_ONLY


def test_no_more_pages_are_recognised_than_the_settings_allow(parser: OcrParser) -> None:
    parsed = parser.parse(pdf(*[TEXT] * 5), "scan.pdf")
    assert [page for page, _ in shown(parsed)] == [1, 2, 3]
    assert parsed.notes == ("text recognised on pages 1 2 3", "no text on pages 4 5")


def test_what_holds_for_the_processes_that_read_is_known_afterwards(parser: OcrParser) -> None:
    parser.parse(pdf(TEXT), "scan.pdf")
    assert parser.isolation is not None
