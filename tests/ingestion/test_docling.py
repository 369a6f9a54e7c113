"""Pages without text, read by a docling-serve: what it is sent, what is believed of its answers, and what if it fails.

It is a stand-in on loopback with answers that a real one gave; `make test-docling` asks a real one.
"""

import io
import json
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from fpdf import FPDF
from PIL import Image
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from ingestion.digests import makers_of, pipeline_digest
from ingestion.parse.docling import service
from ingestion.parse.docling.pages import DoclingPages
from ingestion.parse.document import Reason, Refused
from ingestion.parse.layout import LONG_SIDE_PX
from ingestion.parse.ocr import open_parser
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import Parser
from ingestion.pipeline import ingest
from ingestion.sources.folder import FolderSource
from rag.db.engine import Database
from rag.db.tables import ChunkRow, VersionRow
from rag.errors import Misuse
from rag.ingestion_settings import IngestionSettings
from rag.settings import load_settings
from tests.ingestion.docling_stand_in import KEY, StandIn, answer_of, document_of, lease, recorded, running
from tests.ingestion.page_reader import NOTHING, TEXT
from tests.ingestion.scans import lease as lease_page
from tests.ingestion.scans import page_of, pdf, scan, shown
from tests.ingestion.worlds import TENANT, make_visible, parts_on

HERE = {"ocr": "docling", "docling_url": "http://127.0.0.1:5001"}
SECRET = "Project Nightjar"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with running(StandIn()) as started:
        yield started


@pytest.fixture
def docling(stand_in: StandIn) -> StandIn:
    stand_in.forget()
    return stand_in


@pytest.fixture(scope="module")
def parser(stand_in: StandIn) -> Iterator[Parser]:
    """One for all: parser processes take a second to start."""
    with open_parser(settings_for(stand_in.url)) as opened:
        yield opened


def settings_for(url: str, **more: Any) -> IngestionSettings:
    return IngestionSettings(ocr="docling", docling_url=url, docling_api_key=KEY, text_chars_max=10_000, **more)


def refusal(parser: Parser, data: bytes | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        parser.parse(pdf("Text.", TEXT) if data is None else data, "scan.pdf")
    return caught.value


def hiding(words: str) -> bytes:
    """The page of `lease`, scanned, with these words wherever a PDF keeps what it does not show."""
    written = FPDF(unit="pt")
    written.set_auto_page_break(False)
    written.set_title("Lease")
    written.set_author(words)
    written.embed_file(basename="notes.txt", bytes=words.encode())
    page = pypdfium2.PdfDocument(bytes(lease_page().output()))[0]
    picture = io.BytesIO()
    page.render(scale=3).to_pil().save(picture, "PNG")
    written.add_page(format=page.get_size())
    written.image(picture, 0, 0, *page.get_size())
    written.set_font("Helvetica", size=12)
    written.text(page.get_width() + 40, 40, words)
    written.text_annotation(100, 100, words)
    return bytes(written.output())


def test_it_is_sent_a_picture_of_the_page_and_nothing_else(parser: Parser, docling: StandIn) -> None:
    docling.answer = lambda picture: recorded("lease")
    data = hiding(SECRET)
    assert SECRET.encode() in data
    found = parser.parse(data, "Nightjar.pdf")
    assert found.hidden
    # The file within it is read here, as a document within the document.
    assert all(SECRET not in text for page, text in shown(found) if page)
    (picture,), (body,), (options,) = docling.pictures, docling.bodies, docling.options
    assert b"Nightjar" not in body
    assert set(chunks_of(picture)) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    image = Image.open(io.BytesIO(picture))
    assert (image.format, image.mode, max(image.size)) == ("PNG", "RGB", LONG_SIDE_PX)
    assert docling.paths == ["/v1/convert/file"]
    assert docling.headers[0]["X-Api-Key"] == KEY
    assert options.pop("document_timeout") == "120"
    assert options == service._OPTIONS


def test_what_a_page_hides_is_not_in_its_picture(parser: Parser, docling: StandIn) -> None:
    """Not as pixels either: the picture is the one of the same page without it."""
    docling.answer = lambda picture: recorded("lease")
    for data in (hiding(SECRET), scan(lease_page())):
        parser.parse(data, "scan.pdf")
    hidden, plain = (Image.open(io.BytesIO(picture)).tobytes() for picture in docling.pictures)
    assert hidden == plain


def chunks_of(png: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        assert zlib.crc32(png[at + 4 : at + 8 + length]) == struct.unpack_from(">I", png, at + 8 + length)[0]
        yield png[at + 4 : at + 8]
        at += 12 + length


def test_a_recorded_page_is_read_in_order_with_its_headings_lists_and_tables(parser: Parser, docling: StandIn) -> None:
    docling.answer = lambda picture: recorded("lease")
    found = parser.parse(scan(lease_page()), "scan.pdf")
    assert found.title == "Lease of Harbour House"
    assert [(block.heading_path[-1:], block.text) for block in found.blocks] == [
        ((), "Acme Property Ltd"),
        ((), "Lease of Harbour House"),
        (("Rent and term",), "The lease of Harbour House ends in May 2031. It was signed by Ann Lee."),
        (("Rent and term",), "- The rent is paid monthly."),
        (("Rent and term",), "- Pets are allowed."),
        (("Rent and term",), "Table 1: Rent by hall"),
        (("Rent and term",), "Hall: three; Rent: 400"),
        (("Rent and term",), "Hall: four; Rent: 520"),
        (("Rent and term",), "1 Without heating."),
        (("Rent and term",), "Seal of Acme"),
        (("Rent and term",), "Page 1 of 1"),
    ]


async def test_a_document_with_text_and_scanned_pages_is_indexed_masked_and_in_order(
    database: Database, parser: Parser, docling: StandIn, tmp_path: Path
) -> None:
    docling.answer = lambda picture: recorded("lease")
    written = page_of((20, 60, 13, "What follows was signed on paper."))
    merged = pypdfium2.PdfDocument(bytes(written.output()))
    merged.import_pages(pypdfium2.PdfDocument(hiding(SECRET)))
    merged.save(tmp_path / "merged.pdf")
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "ringfence.yaml").write_text("department: legal\nlevel: internal\n")
    (folder / "lease.pdf").write_bytes((tmp_path / "merged.pdf").read_bytes())
    report = await ingest(FolderSource(folder, "docs"), TENANT, parts_on(database, parser, **HERE))
    assert not report.failures
    async with database.reading() as session:
        text = (await session.scalars(select(VersionRow.text))).one()
        pages = set(await session.scalars(select(ChunkRow.page)))
    assert text.index("signed on paper") < text.index("ends in May 2031") < text.index("Hall: four; Rent: 520")
    assert "<PERSON_" in text
    assert "Ann Lee" not in text
    assert SECRET not in text
    assert pages == {1, 2}


def sends(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: handler.send(status, body, **headers)  # type: ignore[attr-defined] # the stand-in's


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (500, {}, "status 500"),
        (503, {}, "status 503"),
        (504, {}, "status 504"),
        (404, {}, "status 404"),
        (422, {}, "status 422"),
        (401, {}, "docling_api_key"),
        (403, {}, "docling_api_key"),
        (200, {"Content_Encoding": "gzip"}, "status 200"),
    ],
)
def test_an_answer_with_another_status_is_none_and_the_document_waits(
    parser: Parser, docling: StandIn, status: int, headers: dict[str, str], said: str
) -> None:
    docling.behave = sends(status, recorded("lease"), **headers)
    refused = refusal(parser)
    assert (refused.reason, said in refused.sentence) == (Reason.OCR_UNAVAILABLE, True)
    docling.behave = None
    assert parser.parse(pdf("Text.", TEXT), "scan.pdf").blocks


def test_a_redirect_is_not_followed_for_key_and_picture_are_for_one_address(parser: Parser, docling: StandIn) -> None:
    with running(StandIn()) as elsewhere:
        docling.behave = sends(307, Location=f"{elsewhere.url}/v1/convert/file")
        assert refusal(parser).reason is Reason.OCR_UNAVAILABLE
        assert elsewhere.paths == []
        docling.behave = None
        assert parser.parse(pdf(TEXT), "scan.pdf").blocks


def test_a_service_that_is_not_there_concerns_only_documents_that_need_it() -> None:
    with open_parser(settings_for("http://127.0.0.1:1")) as alone:
        assert refusal(alone).reason is Reason.OCR_UNAVAILABLE
        assert alone.parse(pdf("Text alone."), "text.pdf").blocks


@pytest.mark.parametrize("drawn", ["nothing", "the document", "too large"])
def test_what_is_no_picture_of_a_page_is_not_sent(sandbox: Sandbox, docling: StandIn, drawn: str) -> None:
    """A parser process has read hostile bytes: it could give out anything as the picture."""
    data = pdf(TEXT)
    whole = sandbox.picture(data, 1, 16_000_000)
    large = whole[:16] + struct.pack(">I", LONG_SIDE_PX + 2) + whole[20:]
    given = {"nothing": b"", "the document": data, "too large": large}[drawn]
    with service.DoclingService(settings_for(docling.url)) as asked:
        with pytest.raises(Refused) as caught:
            DoclingPages(Drawing(given), asked, 10_000).read(data, 1)
        assert (caught.value.reason, docling.paths) == (Reason.CRASHED, [])
        assert DoclingPages(Drawing(whole), asked, 10_000).read(data, 1)


class Drawing(Sandbox):
    """Gives out this as the picture of every page."""

    def __init__(self, given: bytes) -> None:
        self._given = given

    def picture(self, document: bytes, page: int, bytes_max: int) -> bytes:
        return self._given


@pytest.mark.parametrize(("data", "page"), [(b"%PDF-1.4 broken", 1), (pdf(TEXT), 2)])
def test_a_page_that_cannot_be_drawn_is_broken(sandbox: Sandbox, data: bytes, page: int) -> None:
    with pytest.raises(Refused) as caught:
        sandbox.picture(data, page, 16_000_000)
    assert caught.value.reason is Reason.BROKEN
    assert sandbox.picture(pdf(TEXT), 1, 16_000_000)


def drip(docling: StandIn) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        """Never silent for long, and never done: headers first, one by one."""
        handler.send_response(200)
        handler.flush_headers()
        for number in range(1000):
            handler.wfile.write(f"X-{number}: 1\r\n".encode())
            if docling.released.wait(0.02):
                return

    return behave


@pytest.mark.parametrize("slow", ["silent", "dripping"])
def test_a_service_that_takes_longer_than_a_page_may_is_given_up(
    docling: StandIn, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    monkeypatch.setattr(service, "GRACE_S", 0.0)
    docling.behave = drip(docling) if slow == "dripping" else lambda handler: docling.released.wait(10) and None
    with open_parser(settings_for(docling.url, ocr_wall_s=0.5)) as hurried:
        began = time.monotonic()
        refused = refusal(hurried)
        assert (refused.reason, time.monotonic() - began < 8) == (Reason.OCR_UNAVAILABLE, True)
        assert "ocr_wall_s" in refused.sentence
        docling.behave = None
        assert hurried.parse(pdf("Text.", TEXT), "scan.pdf").blocks


def test_an_answer_without_end_is_not_kept(parser: Parser, docling: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ANSWER_BYTES_MAX", 20_000)
    docling.answer = lambda picture: recorded("lease") + b" " * 10_000
    assert refusal(parser).reason is Reason.OCR_FAILED
    docling.answer = lambda picture: recorded("lease") + b" " * 1_000
    assert parser.parse(pdf("Text.", TEXT), "scan.pdf").blocks


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (recorded("failure"), "it says failure"),
        (recorded("skipped"), "it says skipped"),
        (recorded("partial"), "it says partial_success"),
        (b"<html>Welcome</html>", "not of the protocol"),
        (b"[]", "not of the protocol"),
        (json.dumps({**lease(), "status": "well"}).encode(), "not of the protocol at status"),
        (json.dumps({**lease(), "document": {"json_content": None}}).encode(), "holds no document"),
        (answer_of({**document_of(), "schema_name": "Other"}), "document.json_content.schema_name"),
        (answer_of(document_of({"text": 7})), "document.json_content.texts"),
    ],
)
def test_what_is_not_a_whole_page_refuses_the_document_and_leaves_no_gap_in_it(
    parser: Parser, docling: StandIn, body: bytes, said: str
) -> None:
    """Indexed without the page, it would be taken for done, and the page never be read again."""
    docling.answer = lambda picture: body
    refused = refusal(parser)
    assert (refused.reason, said in refused.detail) == (Reason.OCR_FAILED, True), refused.detail
    docling.answer = lambda picture: recorded("lease")
    assert parser.parse(pdf("Text.", TEXT), "scan.pdf").blocks


async def test_what_waits_for_the_service_stops_no_other_document_and_keeps_its_earlier_version(
    database: Database, parser: Parser, docling: StandIn, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "ringfence.yaml").write_text("department: legal\nlevel: internal\n")
    (folder / "a-scan.pdf").write_bytes(pdf(TEXT))
    (folder / "b-text.txt").write_text("A text.")
    parts, source = parts_on(database, parser, **HERE), FolderSource(folder, "docs")
    assert not (await ingest(source, TENANT, parts)).failures
    await make_visible(database, TENANT)
    (folder / "a-scan.pdf").write_bytes(pdf(TEXT, NOTHING))
    (folder / "b-text.txt").write_text("Another text.")
    docling.behave = sends(503)
    report = await ingest(source, TENANT, parts)
    (failed,) = report.failures
    assert (failed.path, failed.reason, failed.previous_stays) == ("a-scan.pdf", Reason.OCR_UNAVAILABLE, True)
    assert [outcome.change.value for outcome in report.outcomes] == ["failed", "changed"]
    docling.behave = None
    assert [outcome.change.value for outcome in (await ingest(source, TENANT, parts)).outcomes] == [
        "changed",
        "unchanged",
    ]


def test_documents_are_made_again_when_docling_reads_them_and_not_when_it_moves(
    database: Database, sandbox: Sandbox
) -> None:
    plain, rapid, docling = (parts_on(database, sandbox, **one) for one in ({}, {"ocr": "rapidocr"}, HERE))
    assert len({pipeline_digest(parts, "") for parts in (plain, rapid, docling)}) == 3
    moved = replace(docling, settings=settings_for("https://docling.example"))
    moved = replace(moved, settings=moved.settings.model_copy(update={"chunk_tokens": 40}))
    assert pipeline_digest(moved, "") == pipeline_digest(docling, "")
    assert "docling" in makers_of(docling, "", "x").parser


@pytest.mark.parametrize(
    ("url", "transport", "allowed"),
    [
        ("http://127.0.0.1:5001", "tls", True),
        ("https://docling.example", "tls", True),
        ("http://docling:5001", "tls", False),
        ("http://docling:5001", "plain", True),
        ("http://ann:pass@127.0.0.1:5001", "plain", False),
        ("ftp://docling:5001", "plain", False),
        ("http://127.0.0.1:99999", "tls", False),
        (None, "plain", False),
    ],
)
def test_pictures_of_pages_go_over_a_network_in_the_clear_only_where_that_was_said(
    url: str | None, transport: str, allowed: bool
) -> None:
    given = {"ocr": "docling", "docling_url": url, "docling_transport": transport}
    if allowed:
        assert IngestionSettings.model_validate(given).docling_url == url
        return
    with pytest.raises(ValidationError) as caught:
        IngestionSettings.model_validate(given)
    assert "pass" not in str([error["msg"] for error in caught.value.errors()])


def test_an_empty_key_is_none(docling: StandIn) -> None:
    docling.key = ""
    with open_parser(settings_for(docling.url).model_copy(update={"docling_api_key": None})) as parser:
        assert parser.parse(pdf(TEXT), "scan.pdf").blocks
    assert "X-Api-Key" not in docling.headers[0]
    assert IngestionSettings(docling_api_key="").docling_api_key is None


@pytest.mark.parametrize("key", ["sch\u00f6n", "one\ntwo"])
def test_a_key_that_is_no_header_is_refused_and_not_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_INGESTION__DOCLING_API_KEY", key)
    with pytest.raises(Misuse, match="printable ASCII") as caught:
        load_settings()
    assert key not in str(caught.value)
    assert IngestionSettings(docling_api_key=f" {KEY}\n").docling_api_key == SecretStr(KEY)
