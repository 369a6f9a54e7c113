"""Pages without text: recognised where the settings say so, in processes of their own, and refused as ever elsewhere.

Processes are tried with a reader that needs no models; the last tests are of RapidOCR, where it is installed. What
holds of other readers as well is tried in `tests/contracts/test_page_reader.py`.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingestion.digests import makers_of, pipeline_digest
from ingestion.parse import ocr
from ingestion.parse.confine import Limits
from ingestion.parse.document import Reason, Refused
from ingestion.parse.ocr import CODE, OcrParser, open_parser
from ingestion.parse.pages import ConfinedPages
from ingestion.parse.sandbox import Program, Sandbox
from ingestion.parts import Parser
from ingestion.pipeline import ingest
from ingestion.sources.folder import FolderSource
from rag.db.engine import Database
from rag.db.tables import ChunkRow, VersionRow
from rag.errors import Damaged, Misuse
from rag.ingestion_settings import IngestionSettings
from tests.ingestion import page_reader
from tests.ingestion.page_reader import BREAKING, ENDLESS, HUNGRY, PRYING, TEXT
from tests.ingestion.scans import page_of, pdf, scan, shown
from tests.ingestion.worlds import TENANT, parts_on

SETTINGS = IngestionSettings(ocr="rapidocr", ocr_pages_max=3, text_chars_max=10_000)
with_rapidocr = pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra `ocr` is not installed")


@pytest.fixture(scope="module")
def parser(sandbox: Sandbox) -> Iterator[OcrParser]:
    program = Program(CODE, arguments=(page_reader.__name__, "no models"))
    with Sandbox(Limits(20, 1, 2_000_000_000, 10_000), program) as reader:
        yield OcrParser(sandbox, ConfinedPages(reader), SETTINGS)


@pytest.fixture(scope="module")
def rapid() -> Iterator[Parser]:
    with open_parser(SETTINGS) as opened:
        yield opened


def refusal(parser: Any, data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parser.parse(data, "scan.pdf")
    return caught.value


def test_without_a_reader_such_documents_are_refused_and_such_pages_named(sandbox: Sandbox) -> None:
    assert refusal(sandbox, pdf(TEXT)).reason is Reason.IMAGE_ONLY
    parsed = sandbox.parse(pdf("Text.", TEXT), "scan.pdf")
    assert (shown(parsed), parsed.notes) == ([(1, "Text.")], ("no text on 2 of 2 pages",))


@pytest.mark.parametrize(
    ("page", "reason"), [(ENDLESS, Reason.TIMED_OUT), (HUNGRY, Reason.MEMORY), (BREAKING, Reason.BROKEN)]
)
def test_a_page_that_harms_its_reader_costs_that_page_alone(parser: OcrParser, page: int, reason: Reason) -> None:
    parsed = parser.parse(pdf(page, TEXT), "scan.pdf")
    assert shown(parsed) == [(2, "Ann Lee signed.")]
    assert parsed.notes == ("text recognised on page 2", "no text on page 1")
    if page != ENDLESS:
        assert refusal(parser, pdf(page)).reason is reason


def test_a_reader_reaches_neither_network_nor_files(parser: OcrParser) -> None:
    parsed = parser.parse(pdf(PRYING), "scan.pdf")
    isolation = parser.isolation
    assert isolation is not None
    assert shown(parsed)[0][1] == f"network {not isolation.network_cut}, files {not isolation.filesystem_cut}"


def test_documents_are_made_again_when_pages_would_be_recognised_in_another_way(
    database: Database, sandbox: Sandbox
) -> None:
    plain, reading = parts_on(database, sandbox), parts_on(database, sandbox, ocr="rapidocr")
    assert pipeline_digest(plain, "") != pipeline_digest(reading, "")
    assert pipeline_digest(plain, "") == pipeline_digest(parts_on(database, sandbox, ocr_wall_s=1), "")
    assert "rapidocr" in makers_of(reading, "", "x").parser


def test_a_reader_that_is_not_installed_is_misuse_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Misuse, match="pip install"), open_parser(SETTINGS):
        pass
    with open_parser(IngestionSettings()) as parser:
        assert isinstance(parser, Sandbox)


@with_rapidocr
async def test_a_scan_becomes_searchable_masked_text_with_pages(
    database: Database, sandbox: Sandbox, rapid: Parser, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "ringfence.yaml").write_text("department: legal\nlevel: internal\n")
    pages = page_of((20, 60, 13, "The lease of Harbour House ends in May."))
    pages = page_of((20, 60, 13, "It was signed by Ann Lee."), onto=pages)
    (folder / "lease.pdf").write_bytes(scan(pages))
    before = await ingest(FolderSource(folder, "docs"), TENANT, parts_on(database, sandbox))
    assert [one.reason for one in before.failures] == [Reason.IMAGE_ONLY]
    report = await ingest(FolderSource(folder, "docs"), TENANT, parts_on(database, rapid, ocr="rapidocr"))
    assert not report.failures
    async with database.reading() as session:
        text = (await session.scalars(select(VersionRow.text))).one()
        pages = set(await session.scalars(select(ChunkRow.page)))
    assert "The lease of Harbour House ends in May." in text
    assert "signed by <PERSON_" in text
    assert "Ann Lee" not in text
    assert pages == {1, 2}


@with_rapidocr
def test_models_that_were_changed_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "PP-OCRv6_det_small.onnx").write_bytes(b"something else")
    found = find_spec("rapidocr")
    assert found is not None
    monkeypatch.setattr(found, "origin", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(ocr.importlib.util, "find_spec", lambda name: found)
    with pytest.raises(Damaged), open_parser(SETTINGS):
        pass


@with_rapidocr
def test_larger_print_is_a_heading_and_tables_are_read_by_rows(rapid: Parser) -> None:
    rows = [("Hall", "Rent"), ("three", "400"), ("four", "520"), ("five", "610")]
    headed = page_of((20, 30, 24, "Leases"), (20, 60, 12, "Harbour House is let."), (20, 85, 12, "The mill is not."))
    cells = [(20 + 160 * column, 25 + 25 * row, 13, rows[row][column]) for row in range(4) for column in range(2)]
    found = rapid.parse(scan(headed), "scan.pdf")
    assert {block.heading_path for block in found.blocks} == {("Leases",)}
    assert " ".join(block.text for block in found.blocks) == "Harbour House is let. The mill is not."
    found = rapid.parse(scan(page_of(*cells)), "scan.pdf")
    assert [block.text for block in found.blocks] == [f"Hall: {hall}; Rent: {rent}" for hall, rent in rows[1:]]
