"""What is printed of a run: which documents, not only how many."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ingestion.commands.printing import print_report
from ingestion.jobs import counts_of
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Outcome, Report
from ingestion.sources.folder import FolderSource
from tests.ingestion.outcomes import flip_staged
from tests.ingestion.worlds import AFTER, BEFORE, TENANT, write_folder


def printed(report: Report, width: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.fixture
async def edited(parts: IngestionParts, tmp_path: Path) -> FolderSource:
    """A folder that was ingested, and then edited."""
    root = tmp_path / "a-place-with-a-name-that-no-terminal-of-forty-columns-has-room-for"
    await ingest(FolderSource(write_folder(root, BEFORE), "docs"), TENANT, parts)
    await flip_staged(parts)
    return FolderSource(write_folder(root, AFTER), "docs")


async def test_a_dry_run_names_what_would_be_removed_relabelled_changed_and_new(
    edited: FolderSource, parts: IngestionParts
) -> None:
    report = await ingest(edited, TENANT, parts, dry_run=True)
    assert {*printed(report)} >= {
        "removed: gone.txt", "relabelled: relabelled.html", "changed: changed.md", "new: new-bo_chan.txt"
    }  # fmt: skip
    assert not any("kept.csv" in line for line in printed(report)), "what stays as it is"
    paths = {one["path"]: one["change"] for one in report.as_json()["documents"]}
    assert (paths["gone.txt"], paths["new-bo_chan.txt"]) == ("removed", "new")


async def test_a_run_names_what_it_removed_and_relabelled_and_counts_what_it_read(
    edited: FolderSource, parts: IngestionParts
) -> None:
    lines = printed(await ingest(edited, TENANT, parts))
    assert {"removed: gone.txt", "relabelled: relabelled.html"} <= {*lines}
    assert not any("new: " in line or "changed: " in line for line in lines)


async def test_a_file_that_is_not_read_for_its_name_counts_as_failed_and_a_hidden_one_does_not(
    edited: FolderSource, parts: IngestionParts, tmp_path: Path
) -> None:
    root = tmp_path / "named"
    source = FolderSource(write_folder(root, {"ringfence.yaml": BEFORE["ringfence.yaml"], ".git/x.md": "x"}), "named")
    (root / "a.md").write_text("A.")
    plain = await ingest(source, TENANT, parts)
    assert (plain.partly, len(plain.skipped), counts_of(plain)) == (False, 1, {"documents": {"new": 1}})
    (root / "line\nbreak.md").write_text("Left out.")
    report = await ingest(source, TENANT, parts)
    assert (report.partly, [one.reason for one in report.left_out]) == (True, ["unsafe_name"])
    assert counts_of(report) == {"documents": {"unchanged": 1, "failed": 1}, "reasons": {"unsafe_name": 1}}
    told = " ".join(printed(report, 200))
    assert "line?break.md" in told and "rename it" in told and ".git (hidden)" in told
    part = await ingest(source, TENANT, parts, only=[report.outcomes[0].document])
    assert counts_of(part) == {"documents": {"unchanged": 1}}, "its job has told it"


async def test_of_very_many_some_are_named_and_the_others_counted(edited: FolderSource, parts: IngestionParts) -> None:
    report = await ingest(edited, TENANT, parts, dry_run=True)
    many = tuple(Outcome(f"{'long/' * 20}{number}.txt", Change.REMOVED) for number in range(53))
    lines = printed(replace(report, outcomes=many))
    assert f"removed: {'long/' * 20}49.txt" in lines, "whole, however narrow the terminal is"
    assert "removed: 3 more; --json names all" in lines
    assert not any("50.txt" in line for line in lines)
