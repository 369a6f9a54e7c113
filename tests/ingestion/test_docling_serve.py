"""The real docling-serve (`make test-docling`): it understands what it is asked, and answers as it did when recorded.

Its layout and table models are made for one page (`docling_models`): what is tried here is the way there and back, not
how well docling reads.
"""

from collections.abc import Iterator

import pytest

from ingestion.parse.docling.pages import pieces_of
from ingestion.parse.document import Reason, Refused
from ingestion.parse.ocr import OcrParser, open_parser
from rag.api.probes import reach_page_service
from rag.errors import Unavailable
from rag.ingestion_settings import IngestionSettings
from tests.ingestion.docling_server import KEY, PYTHON, running_docling
from tests.ingestion.docling_stand_in import recorded
from tests.ingestion.scans import lease, pdf, scan, shown

pytestmark = [
    pytest.mark.skipif(PYTHON is None, reason="runs on a real docling-serve: make test-docling"),
    pytest.mark.timeout(700),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_docling(tmp_path_factory.mktemp("docling")) as address:
        yield address


def settings_for(url: str, key: str = KEY) -> IngestionSettings:
    return IngestionSettings(ocr="docling", docling_url=url, docling_api_key=key)


def refusal(url: str, key: str = KEY) -> Refused:
    with open_parser(settings_for(url, key)) as parser, pytest.raises(Refused) as caught:
        parser.parse(scan(lease()), "scan.pdf")
    return caught.value


def test_a_scanned_page_is_read_as_in_the_recorded_answer(url: str) -> None:
    with open_parser(settings_for(url)) as parser:
        found = parser.parse(scan(lease()), "scan.pdf")
        assert isinstance(parser, OcrParser)
        pieces = parser._reader.read(scan(lease()), 1)
    assert pieces == pieces_of(recorded("lease"), 10_000)
    assert (None, "Hall: four; Rent: 520") in [(None, text) for _, text in shown(found)]
    assert found.notes == ("text recognised on page 1",)


def test_a_page_with_nothing_on_it_is_a_page_without_text(url: str) -> None:
    with open_parser(settings_for(url)) as parser:
        found = parser.parse(pdf("Text.", 400, "More."), "scan.pdf")
    assert (shown(found), found.notes) == ([(1, "Text."), (3, "More.")], ("no text on page 2",))


def test_another_key_is_not_accepted(url: str) -> None:
    refused = refusal(url, "another")
    assert (refused.reason, "docling_api_key" in refused.detail) == (Reason.OCR_UNAVAILABLE, True)


def test_a_picture_that_it_cannot_read_is_no_page_without_text(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that is cut off: what it answers then is 200, and no success."""
    with open_parser(settings_for(url)) as parser:
        assert isinstance(parser, OcrParser)
        whole = parser._parser.picture(scan(lease()), 1, 16_000_000)
        monkeypatch.setattr(parser._parser, "picture", lambda document, page, bytes_max: whole[:5_000])
        with pytest.raises(Refused) as caught:
            parser.parse(scan(lease()), "scan.pdf")
    assert (caught.value.reason, "it says failure" in caught.value.detail) == (Reason.OCR_FAILED, True)


async def test_the_doctor_finds_it(url: str) -> None:
    assert (await reach_page_service(settings_for(url))).startswith("docling-serve 1.38.2, docling 2.143.0")
    with pytest.raises(Unavailable, match="DOCLING_API_KEY"):
        await reach_page_service(settings_for(url, "another"))
