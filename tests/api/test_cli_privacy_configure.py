"""`ringfence privacy` directory, configure, scan, explain and review, on a data folder with ingested documents."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag import cli
from rag.db.engine import Database
from rag.privacy.directory_forms import packed
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import existing_tenant_keys
from rag.privacy.known_values import forms_of, known_values_key
from rag.privacy.operators import Operator
from rag.settings import Settings
from tests.api.test_cli import COMMANDS, run
from tests.api.test_cli_privacy import every_byte, on_database
from tests.copies import copy_folder
from tests.declared import write_entry_points

TENANT = ("--tenant", "acme")
FILES = {
    "ringfence.yaml": "department: company\nlevel: internal\n",
    "letter.md": "# Letter\n\nMargaret Ellison signed the lease. Write to margaret.ellison@acme.example.\n",
    "budget.md": "# Budget\n\nThe budget for Harbour Lantern is closed. Ask ACM-123456 about page 7.\n",
}
DIRECTORY = (
    "\ufeffname,email,number\nHarbour Lantern,h.quay@acme.example,ACM-0042\n=1+1,x@acme.example,ACM-0043\n"
    "Quillon Marrowby,qm@acme.example,ACM-0077\n"
)
UNSEEN = (b"quillon", b"marrowby", b"qm@acme", b"h.quay", b"acm-0042", b"acm0042", b"acm-0077", b"quillon marrowby")
"""Of the directory, and in no document."""
COLUMNS = ("--column", "name=PERSON", "--column", "email=EMAIL_ADDRESS", "--column", "number=EMPLOYEE_ID")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("configured")
    (place / "docs").mkdir()
    for name, content in FILES.items():
        (place / "docs" / name).write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("RINGFENCE_DATA_DIR", str(place / "data"))
        assert cli.main(["ingest", str(place / "docs"), *TENANT, "--source", "docs"], COMMANDS) == 0
    return place


@pytest.fixture
def place(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    copy_folder(ingested / "data", tmp_path / "data")
    copy_folder(ingested / "docs", tmp_path / "docs")
    (tmp_path / "people.csv").write_text(DIRECTORY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own entry points, whatever an earlier installation wrote down."""
    monkeypatch.syspath_prepend(str(write_entry_points(tmp_path / "site")))
    assert {one.name for one in metadata.entry_points(group="ringfence.privacy")} == {"scan", "review"}


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int = 0) -> Any:
    return json.loads(run(capsys, "privacy", *arguments, *TENANT, "--json", expect=expect))


def ingest(capsys: pytest.CaptureFixture[str], place: Path) -> dict[str, int]:
    report = json.loads(run(capsys, "ingest", str(place / "docs"), *TENANT, "--source", "docs", "--json"))
    counts: dict[str, int] = report["counts"]
    return {name: number for name, number in counts.items() if number}


def test_a_directory_is_imported_masks_and_leaves_no_value_on_disk(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = as_json(capsys, "directory", "import", "people.csv", *COLUMNS, "--dry-run", expect=3)
    assert (tried["version"], tried["to_be_masked_again"]) == (0, 2)
    made = as_json(capsys, "directory", "import", "people.csv", *COLUMNS, expect=3)
    assert made["broken"] == [{"line": 3, "reason": "the PERSON is a formula"}]
    assert (made["version"], made["values"]["PERSON"], made["to_be_masked_again"]) == (1, 2, 2)
    (place / "people.csv").unlink()
    stored = every_byte(place / "data").lower()
    assert b"masking_directory" in stored
    assert [word for word in UNSEEN if word in stored] == []
    assert ingest(capsys, place) == {"changed": 2}
    assert as_json(capsys, "configure", "status")["to_be_masked_again"] == 0
    listed = as_json(capsys, "directory", "list")["directories"]
    assert [(one["name"], one["values"]["EMAIL_ADDRESS"]) for one in listed] == [("people", 3)]
    cleared = as_json(capsys, "directory", "clear", "--reason", "left")
    assert (cleared["version"], cleared["to_be_masked_again"]) == (2, 2)
    assert as_json(capsys, "directory", "list")["directories"] == []
    run(capsys, "privacy", "directory", "clear", *TENANT, "--reason", "again", expect=1)


def test_a_person_of_a_directory_is_erased_from_it_and_no_file_holds_her_digests(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_json(capsys, "directory", "import", "people.csv", *COLUMNS, expect=3)
    ingest(capsys, place)
    name, digests = "Quillon Marrowby", records_of(place / "data", "PERSON", "Quillon Marrowby")
    stored = every_byte(place / "data")
    assert all(one in stored for one in digests)
    options = ("--value", name, "--reason", "request 17")
    assert as_json(capsys, "erase", *options, "--dry-run")["listed"] == {"people": len(digests)}
    stored = every_byte(place / "data")
    assert all(one in stored for one in digests)
    erased = as_json(capsys, "erase", *options, "--yes")
    assert (erased["erased"], erased["listed"], erased["scrubbed"]) == ([], {"people": len(digests)}, True)
    assert erased["receipt"]["directories"] == [{"name": "people", "digests": len(digests)}]
    assert erased["to_be_masked_again"] == 2
    stored = every_byte(place / "data")
    assert not [one for one in digests if one in stored]
    assert as_json(capsys, "directory", "list")["directories"][0]["values"]["PERSON"] == 1
    again = as_json(capsys, "directory", "import", "people.csv", *COLUMNS, expect=3)["broken"]
    assert again[1] == {"line": 4, "reason": "the PERSON was erased"}
    assert name not in json.dumps([erased, again])


def records_of(data_dir: Path, entity: str, value: str) -> list[bytes]:
    """The digests by which the directory knows a value, as they are stored."""

    async def key(database: Database) -> bytes:
        async with database.reading() as session:
            keys = await existing_tenant_keys(session, "acme", open_keys(Settings(data_dir=data_dir)))
            return known_values_key(keys)

    forms = forms_of(on_database(data_dir, key), entity, value, variants=True)
    return [packed(("EMAIL_ADDRESS", "EMPLOYEE_ID", "PERSON"), entity, form) for form in forms]


def test_a_configuration_is_tried_set_and_masks_again_what_an_older_one_made(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "c.yaml").write_text("patterns: {EMPLOYEE_ID: ['ACM-\\d{6}']}\nnever: [{value: Margaret Ellison}]\n")
    assert as_json(capsys, "configure", "set", "c.yaml", "--dry-run") == {
        "dry_run": True, "version": 0, "current": 0, "to_be_masked_again": 2,
    }  # fmt: skip
    assert as_json(capsys, "configure", "status")["to_be_masked_again"] == 0
    run(capsys, "privacy", "configure", "set", "c.yaml", *TENANT, expect=2)
    assert as_json(capsys, "configure", "set", "c.yaml", "--reason", "our numbers")["version"] == 1
    assert ingest(capsys, place) == {"changed": 2}
    assert ingest(capsys, place) == {"unchanged": 2}
    shown = run(capsys, "privacy", "configure", "show", *TENANT)
    assert "Ellison" not in shown
    (place / "same.yaml").write_text(shown)
    assert as_json(capsys, "configure", "set", "same.yaml", "--reason", "nothing new")["version"] == 1
    (place / "old.yaml").write_text("version: 0\n")
    run(capsys, "privacy", "configure", "set", "old.yaml", *TENANT, "--reason", "late", expect=1)
    (version,) = as_json(capsys, "configure", "history")["versions"]
    assert (version["reason"], version["changed"]) == ("our numbers", "configuration")
    assert version["author"].startswith("operator:")


def test_values_of_a_kind_that_is_left_alone_are_refused_until_it_is_masked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a value that is named to be masked always would stand in every text."""
    always = "always: [{value: Head of Nightjar, entity: TITLE}]\n"
    (place / "c.yaml").write_text(always)
    column = ("directory", "import", "people.csv", "--column", "name=TITLE")
    run(capsys, "privacy", "configure", "set", "c.yaml", *TENANT, "--reason", "x", expect=2)
    run(capsys, "privacy", *column, *TENANT, expect=2)
    assert as_json(capsys, "configure", "history")["versions"] == []
    (place / "c.yaml").write_text("entities: {TITLE: {operator: token}}\n" + always)
    assert as_json(capsys, "configure", "set", "c.yaml", "--reason", "x")["version"] == 1
    assert as_json(capsys, *column, expect=3)["version"] == 2


@pytest.mark.parametrize("text", ["entities: {NOBODY: {operator: token}}", "patterns: {EMPLOYEE_ID: ['(a+)+']}", "{"])
def test_a_bad_configuration_changes_nothing(place: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (place / "bad.yaml").write_text(text)
    run(capsys, "privacy", "configure", "set", "bad.yaml", *TENANT, "--reason", "x", expect=2)
    assert as_json(capsys, "configure", "history")["versions"] == []


def test_what_is_masked_is_explained(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_json(capsys, "directory", "import", "people.csv", *COLUMNS, expect=3)
    (place / "c.yaml").write_text("patterns: {EMPLOYEE_ID: ['QX\\d{6}']}\n")
    as_json(capsys, "configure", "set", "c.yaml", "--reason", "our numbers")
    text = "Ask Harbour Lantern, mail bob@acme.example, call +44 20 7946 0018 for QX123456."
    spans = {one["value"]: one for one in as_json(capsys, "explain", text)["spans"]}
    by = {value: {said["by"] for said in one["found_by"]} for value, one in spans.items()}
    assert "directory" in by["Harbour Lantern"]
    assert "MailRecognizer" in by["bob@acme.example"]
    assert "TelephoneRecognizer" in by["+44 20 7946 0018"]
    assert "configured pattern" in by["QX123456"]
    (place / "t.txt").write_text(text)
    assert as_json(capsys, "explain", "--file", "t.txt")["spans"] == list(spans.values())
    run(capsys, "privacy", "explain", *TENANT, expect=2)


@pytest.mark.usefixtures("installed")
def test_a_scan_counts_what_would_be_masked_and_stores_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    before = {one: one.stat().st_mtime_ns for one in (place / "data").rglob("*.db")}
    scanned = as_json(capsys, "scan", "docs", expect=3)
    counts = {one["path"]: one["entities"] for one in scanned["files"]}
    assert counts["letter.md"] == {"PERSON": 1, "EMAIL_ADDRESS": 1}
    assert [one["path"] for one in scanned["files"] if one["not_analysed"]] == ["broken.pdf"]
    assert "Ellison" not in json.dumps(scanned)
    assert as_json(capsys, "scan", "docs/letter.md")["entities"] == {"PERSON": 1, "EMAIL_ADDRESS": 1}
    assert {one: one.stat().st_mtime_ns for one in (place / "data").rglob("*.db")} == before


@pytest.mark.usefixtures("installed")
def test_operators_are_explained_shown_and_mask_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explained = run(capsys, "privacy", "configure", "--help")
    assert all(one.value in explained for one in Operator)
    (place / "c.yaml").write_text("entities: {EMAIL_ADDRESS: {operator: redact}, PERSON: {operator: keep}}\n")
    assert as_json(capsys, "configure", "set", "c.yaml", "--reason", "why")["to_be_masked_again"] == 2
    scanned = as_json(capsys, "scan", "docs/letter.md")
    assert (scanned["entities"], scanned["operators"]) == ({"EMAIL_ADDRESS": 1}, {"EMAIL_ADDRESS": "redact"})
    assert "PERSON" in scanned["kept"]
    assert "1 EMAIL_ADDRESS (redact)" in run(capsys, "privacy", "scan", "docs/letter.md", *TENANT)
    (span,) = as_json(capsys, "explain", "Write to bob@acme.example, Margaret Ellison.")["spans"]
    assert (span["value"], span["operator"]) == ("bob@acme.example", "redact")
    assert ingest(capsys, place) == {"changed": 2}
    assert "margaret.ellison" not in run(capsys, "documents", "list", *TENANT, "--json")
    (place / "bad.yaml").write_text("entities: {SECRET: {operator: keep}}\n")
    run(capsys, "privacy", "configure", "set", "bad.yaml", *TENANT, "--reason", "x", expect=2)
    assert yaml.safe_load(run(capsys, "privacy", "configure", "show", *TENANT))["version"] == 1


@pytest.mark.usefixtures("installed")
def test_values_are_shown_to_a_terminal_only(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "privacy", "scan", "docs", *TENANT, "--show", expect=2)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "Margaret Ellison" in run(capsys, "privacy", "scan", "docs/letter.md", *TENANT, "--show")
    run(capsys, "privacy", "scan", "docs", *TENANT, "--show", "--json", expect=2)
    run(capsys, "privacy", "scan", "nowhere", *TENANT, expect=2)


@pytest.mark.usefixtures("installed")
def test_a_review_becomes_configuration_and_a_test_case(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["no", "Margaret Ellison is a ship."])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers, "quit"))
    (place / "one").mkdir()
    (place / "one" / "ship.md").write_text("# Fleet\n\nMargaret Ellison sails on Monday.\n")
    printed = run(capsys, "privacy", "review", "one", *TENANT, "--cases", "cases.yaml", "--below", "1.01")
    assert "Version 1: 1 decisions." in printed
    assert stat.S_IMODE((place / "cases.yaml").stat().st_mode) == 0o600
    (case,) = yaml.safe_load((place / "cases.yaml").read_text())
    assert case == {"text": "Margaret Ellison is a ship.", "value": "Margaret Ellison", "mask": False}
    assert as_json(capsys, "configure", "test", "cases.yaml")["failed"] == []
    (place / "none.yaml").write_text("{}")
    as_json(capsys, "configure", "set", "none.yaml", "--reason", "as before")
    failed = as_json(capsys, "configure", "test", "cases.yaml", expect=1)["failed"]
    assert failed == [{"case": 1, "why": "masked as PERSON, although it is to be left"}]
