"""The commands as a person runs them: real models, real index, one small folder."""

import json
from pathlib import Path

import pytest

from ingestion.report import Change
from rag.cli import main
from tests.ingestion.worlds import AFTER, write_folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", AFTER)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:  # type: ignore[type-arg] # JSON
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_ingest_reports_publishes_and_says_that_some_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest = ("ingest", str(folder), "--tenant", "acme", "--source", "docs")
    code, report = answer(capsys, *ingest)
    assert code == 3
    assert report["counts"] == {change: {"new": 4, "failed": 2}.get(change, 0) for change in Change}
    assert {one["path"]: one["reason"] for one in report["documents"] if one["reason"]} == {
        "broken.pdf": "broken",
        "unlabelled-later/a.txt": "unlabelled",
    }
    assert report["published"]["versions"] == 4

    code, listed = answer(capsys, "documents", "list", "--tenant", "acme")
    assert code == 0
    assert {row["state"] for row in listed["documents"]} == {"visible"}
    changed = next(row for row in listed["documents"] if row["path"] == "changed.md")

    code, shown = answer(capsys, "documents", "show", changed["document"], "--tenant", "acme")
    assert code == 0
    assert [version["state"] for version in shown["versions"]] == ["published"]
    assert shown["versions"][0]["chunks"] == 2

    assert main(["documents", "show", changed["document"], "--tenant", "globex"]) == 1, "another tenant's is not found"


def test_another_folder_under_the_name_of_a_source_is_refused_unless_it_is_said_to_have_moved(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--tenant", "acme", "--source", "docs")
    labels = {"ringfence.yaml": "department: company\nlevel: internal\n"}
    roots = [folder / name for name in ("one", "two", "three")]
    for root in roots:
        root.mkdir()
        write_folder(root, {**labels, f"{root.name}.txt": "The canteen opens at noon."})
    one, two, three = map(str, roots)

    def listed() -> list[str]:
        return [row["path"] for row in answer(capsys, "documents", "list", "--tenant", "acme")[1]["documents"]]

    assert main(["ingest", one, *named]) == 0
    for more in ((), ("--dry-run",), ("--allow-empty",)):
        capsys.readouterr()
        assert main(["ingest", two, *named, *more]) == 2
        said = capsys.readouterr().err
        assert one in said and two in said and "--moved" in said
    capsys.readouterr()
    assert listed() == ["one.txt"]
    assert main(["ingest", two, *named, "--moved"]) == 0
    capsys.readouterr()
    assert listed() == ["two.txt"]
    assert main(["ingest", three, *named, "--moved", "--enqueue"]) == 0
    assert main(["worker", "--once"]) == 0
    capsys.readouterr()
    assert listed() == ["three.txt"]


def test_the_closing_table_names_failures_and_terminal_text_is_harmless(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(folder), "--tenant", "acme", "--dry-run"]) == 3
    printed = capsys.readouterr().out
    assert "nothing was changed" in printed
    assert "broken.pdf" in printed
    assert "[ringfence" not in printed


@pytest.mark.parametrize(
    "arguments", [("ingest", "no-such-folder", "--tenant", "acme"), ("ingest", ".", "--tenant", "a b")]
)
def test_misuse_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(list(arguments)) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
