"""Documents within documents: attachments, mailboxes and archives, each part below its name and inside the limits."""

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from evals.hostile.known import nested_archives
from evals.hostile.samples import archive, honest, mail
from ingestion.archives import UnpackedSource, unpacked
from ingestion.jobs import Listings
from ingestion.leases import Lease
from ingestion.parse.confine import Limits
from ingestion.parse.document import ARCHIVE_BYTES_MAX, PART_DEPTH_MAX, Reason, Refused
from ingestion.parse.members import Members, why_skipped
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.folder import FolderSource
from ingestion.sources.labels import FolderLabels, parse_label_file, singled_out
from ingestion.sources.protocol import WITHIN, Listing, SourceItem
from tests.ingestion.outcomes import said
from tests.ingestion.worlds import TENANT, write_folder


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(20, 10, 1_500_000_000, 400_000)) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    return write_folder(root, {"ringfence.yaml": "department: legal\nlevel: confidential\n"})


def reasons(report: Report) -> dict[str, str]:
    """Why each document was refused, or what happened to it."""
    return {one.path: str(one.reason or one.change) for one in report.outcomes}


def test_attachments_are_read_by_their_own_formats_below_their_names(sandbox: Sandbox) -> None:
    inner = mail("Inner body.", {"t.csv": b"Name,Room\nBo,14\n"})
    inner.replace_header("Subject", "Forwarded")
    attachments = {
        "../../staff.csv": b"Name,Room\nAnn,12\n",
        "deck.pptx": honest()[".pptx"],
        "all.zip": archive({"notes/a.md": "# Lease\n\nUntil 2030.", "../evil.txt": "no"}),
        "broken.pdf": b"%PDF-1.4",
    }
    parsed = sandbox.parse(mail("Body.", attachments, inner).as_bytes(), "mail.eml")
    assert said(parsed)[1:] == [
        ((), "Body."),
        (("staff.csv",), "Name: Ann; Room: 12"),
        (("deck.pptx",), "The canteen is open from eleven to two."),
        (("all.zip", "notes/a.md", "Lease"), "Until 2030."),
        (("Forwarded",), "From: ann@example.com\nSubject: Forwarded"),
        (("Forwarded",), "Inner body."),
        (("Forwarded", "t.csv"), "Name: Bo; Room: 14"),
    ]
    assert parsed.notes == ("1 member skipped unsafe_name", "1 attachment not read broken")


def test_a_mailbox_is_its_messages_and_a_broken_one_stops_no_other(sandbox: Sandbox) -> None:
    first = b"From a@b Thu Jan 1 00:00:00 2026\r\nSubject: One\r\n\r\nFirst.\r\n>From here on quoted.\r\n\r\n"
    second = b"From c@d Thu Jan 2 00:00:00 2026\nSubject: Two\n\nSecond.\n"
    parsed = sandbox.parse(first + b"From x\nno: header\n\n\n" + second, "box.mbox")
    assert (("One",), "First.\nFrom here on quoted.") in said(parsed)
    assert (("Two",), "Second.") in said(parsed)


@pytest.mark.parametrize(("depth", "is_read"), [(PART_DEPTH_MAX - 1, True), (PART_DEPTH_MAX + 4, False)])
def test_archives_in_archives_are_opened_to_a_depth(sandbox: Sandbox, depth: int, is_read: bool) -> None:
    data = archive({"a.txt": "outer", "b.zip": nested_archives(depth - 1, archive({"c.txt": "innermost"}))})
    parsed = sandbox.parse(data, "outer.zip")
    assert (parsed.blocks[-1].text == "innermost") is is_read
    assert parsed.notes == (() if is_read else ("1 member not read too_deep",))


def test_all_containers_of_a_document_share_one_budget(sandbox: Sandbox) -> None:
    """Many attachments, each of which alone would be allowed."""
    large = archive({"a.bin": bytes(ARCHIVE_BYTES_MAX * 2 // 5)})
    parsed = sandbox.parse(mail("Body.", {f"{n}.zip": large for n in range(3)}).as_bytes(), "mail.eml")
    assert parsed.blocks[-1].text == "Body."
    assert parsed.notes == ("2 members not read empty", "1 attachment not read archive_bomb")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.txt", None),
        ("folder/Bericht Größe.txt", None),
        ("a..b.txt", None),
        ("../a.txt", "unsafe_name"),
        ("a/../../b.txt", "unsafe_name"),
        ("/etc/passwd", "unsafe_name"),
        ("a//b.txt", "unsafe_name"),
        ("a/./b.txt", "unsafe_name"),
        ("a/ /b.txt", "unsafe_name"),
        ("C:\\a.txt", "unsafe_name"),
        ("a\\b.txt", "unsafe_name"),
        ("a\x00.txt", "unsafe_name"),
        ("a\n.txt", "unsafe_name"),
        ("x" * 2000, "unsafe_name"),
        ("", "unsafe_name"),
        ("a/" * 80 + "b", "too_deep"),
        (".git/config", "hidden"),
        ("__MACOSX/._a.txt", "hidden"),
    ],
)
def test_a_member_name_is_a_plain_path_or_is_skipped(name: str, reason: str | None) -> None:
    assert why_skipped(name) == reason


async def test_an_archive_is_a_folder_of_documents_under_its_labels(folder: Path, parts: IngestionParts) -> None:
    (folder / "deal.zip").write_bytes(
        archive(
            {"lease.md": "# Lease\n\nUntil 2030.", "x/note.txt": "A note.", "../out.txt": "no", "bad.pdf": b"%PDF-"}
        )
    )
    report = await ingest(FolderSource(folder, "docs"), TENANT, parts)
    assert reasons(report) == {
        "deal.zip/bad.pdf": "broken",
        "deal.zip/lease.md": "new",
        "deal.zip/x/note.txt": "new",
    }
    assert [(one.path, one.reason) for one in report.skipped] == [("deal.zip/../out.txt", "unsafe_name")]
    assert not (folder.parent / "out.txt").exists()
    assert report.counts[Change.NEW] == 2

    (folder / "deal.zip").write_bytes(archive({"lease.md": "# Lease\n\nUntil 2031.", "x/note.txt": "A note."}))
    assert reasons(await ingest(FolderSource(folder, "docs"), TENANT, parts)) == {
        "deal.zip/lease.md": "changed",
        "deal.zip/x/note.txt": "unchanged",
    }

    (folder / "deal.zip").write_bytes(b"PK\x03\x04 no more")
    report = await ingest(FolderSource(folder, "docs"), TENANT, parts)
    assert [(one.path, one.reason) for one in report.failures] == [("deal.zip", Reason.BROKEN)]
    assert report.counts[Change.REMOVED] == 2


async def test_a_member_that_a_pattern_labels_otherwise_than_its_archive_is_kept_out_and_the_others_are_not(
    folder: Path, parts: IngestionParts
) -> None:
    members = {
        "salaries.csv": "Ann,5000",
        "old/board-minutes.md": "Minutes.",
        "plan.md": "A plan.",
        "deck.md": "A deck.",
        "note.txt": "A note.",
    }
    (folder / "box.zip").write_bytes(archive(members))
    (folder / "ringfence.yaml").write_text(
        "department: legal\nlevel: confidential\nfiles:\n"
        "  'salaries*.csv': {level: secret}\n  'box.zip/old/board-*': {compartments: [board]}\n"
        "  'plan.md': {level: confidential}\n  'deck.*': {hidden: quarantine}\n  'box.zip': {tags: ['kind:box']}\n"
    )
    report = await ingest(FolderSource(folder), TENANT, parts)
    assert reasons(report) == {
        "box.zip/salaries.csv": "unlabelled",
        "box.zip/old/board-minutes.md": "unlabelled",
        "box.zip/deck.md": "unlabelled",
        "box.zip/plan.md": "new",
        "box.zip/note.txt": "new",
    }


def test_where_something_else_labels_the_archive_any_label_of_a_pattern_singles_a_member_out() -> None:
    rules = parse_label_file(b"files:\n  'pay*': {compartments: [hr]}\n  '*.txt': {hidden: drop}\n", "ringfence.yaml")
    chain = (FolderLabels(PurePosixPath(), rules),)
    assert [singled_out(PurePosixPath("x.zip"), name, chain) for name in ("pay.csv", "a.txt", "a.md")] == [
        True,
        True,
        False,
    ]


def test_an_archive_of_a_source_without_files_is_read_as_well(folder: Path, sandbox: Sandbox) -> None:
    """A source over a network hands out streams."""
    (folder / "a.zip").write_bytes(archive({"a.txt": "text", "large.txt": bytes(12_000_000)}))
    [item] = FolderSource(folder, "docs").listing().items

    class Streamed:
        path = identity = item.path
        size, modified_ns, labels, hidden, revision = item.size, item.modified_ns, item.labels, item.hidden, "r1"

        def open(self) -> io.BytesIO:
            with item.open() as file:
                return io.BytesIO(file.read())

    found = unpacked(Listing((Streamed(),)), sandbox, 200_000).items
    assert [(one.path, one.size, one.labels) for one in found] == [
        ("a.zip/a.txt", 4, item.labels),
        ("a.zip/large.txt", 12_000_000, item.labels),
    ]
    assert [len(one.open().read()) for one in found] == [4, 200_001]
    assert [one.identity for one in found] == [f"a.zip{WITHIN}a.txt", f"a.zip{WITHIN}large.txt"]
    assert [one.revision for one in found] == ["r1/0", "r1/1"]
    [refused] = unpacked(Listing((Streamed(),)), sandbox, 10).items
    with pytest.raises(Refused) as caught:
        refused.open()
    assert caught.value.reason is Reason.TOO_LARGE


class Counting:
    """Opens archives and counts how often one was listed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.listed = 0

    def members(self, archive: BinaryIO) -> Members:
        self.listed += 1
        return self._sandbox.members(archive)

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes:
        return self._sandbox.member(archive, index, bytes_max)


def test_archives_are_opened_once_for_all_parts_of_a_sync(folder: Path, sandbox: Sandbox) -> None:
    (folder / "deal.zip").write_bytes(archive({"a.md": "# A\n\nAlpha.", "in.zip": archive({"b.md": "Beta."})}))
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 no more")
    counting, listings = Counting(sandbox), Listings()
    part = Lease("job_1", TENANT, "documents", "docs", {"listed": 7}, 0, 1, 8, 1)

    def items() -> tuple[SourceItem, ...]:
        source = listings.of(part, lambda lease: UnpackedSource(FolderSource(folder, "docs"), counting, 200_000))
        # The path of a document unpacks what it is given: what is unpacked stays as it is.
        return unpacked(source.listing(), counting, 200_000).items

    first, again = items(), items()
    assert first == again
    assert counting.listed == 2
    assert [item.path for item in first] == ["broken.zip", "deal.zip/a.md", "deal.zip/in.zip"]
    with first[1].open() as file:
        assert file.read() == b"# A\n\nAlpha."
