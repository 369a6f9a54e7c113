"""Index versions from the command line, as far as no model is needed."""

import asyncio
import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from policies.tenancy import within
from rag.api.commands.finding import BAD, GOOD
from rag.api.commands.index_check import check_indexes
from rag.api.commands.index_comparing import read_questions
from rag.cli import GROUP, main
from rag.db.engine import open_database
from rag.db.index_changes import IndexChanges
from rag.embedding.locate import locate
from rag.errors import Misuse
from rag.settings import load_settings
from tests.api.test_cli import data_dir
from tests.db.index_worlds import two_indexes

__all__ = ["data_dir"]
INDEX = {"index": EntryPoint("index", "rag.api.commands:index", GROUP)}
TENANT = ("--tenant", "acme")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int = 0) -> str:
    assert main(("index", *arguments), INDEX) == expect
    said = capsys.readouterr()
    return said.out if expect == 0 else said.err


def made(digest: str) -> None:
    """Two indexes of acme, the live one by an embedder of this digest."""

    async def make() -> None:
        database = await open_database(load_settings().database_url)
        await two_indexes(database)
        async with database.unit_of_work() as session:
            row = await IndexChanges(session, "acme").find(1)
            assert row is not None
            row.embedder_digest = digest
        await database.close()

    with within("acme"):
        asyncio.run(make())


def test_the_list_tells_what_made_each_index_and_what_is_not_as_the_settings_say(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, manifest = locate(load_settings().embedding)
    assert [one["state"] for one in json.loads(run(capsys, "list", *TENANT, "--json"))["indexes"]] == ["live"]
    made(manifest.digest)
    listed = json.loads(run(capsys, "list", *TENANT, "--json"))
    assert [(one["number"], one["state"], one["chunks"], one["missing"]) for one in listed["indexes"]] == [
        (1, "live", 2, 0),
        (2, "ready", 2, 0),
    ]
    assert listed["notice"] is None
    assert "new" in run(capsys, "list", *TENANT)
    assert check_indexes(load_settings()).state == GOOD


def test_a_live_index_of_another_embedder_is_told_with_the_way_out(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made("of-another-embedder")
    assert "ringfence index build" in json.loads(run(capsys, "list", *TENANT, "--json"))["notice"]
    found = check_indexes(load_settings())
    assert (found.state, "tenant acme" in found.detail, "ringfence index build" in found.detail) == (BAD, True, True)


def test_there_is_nothing_to_promote_or_to_go_back_to(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ringfence index list" in run(capsys, "promote", "2", *TENANT, expect=1)
    assert "go back" in run(capsys, "rollback", *TENANT, expect=1)


def test_a_file_of_questions_is_read_or_its_bad_line_named(tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text('{"question": "How many days?", "documents": ["hr/leave.md"]}\n\n')
    assert read_questions(file) == [{"question": "How many days?", "documents": ["hr/leave.md"]}]
    file.write_text('{"question": "How many\u2028days?", "documents": ["hr/leave.md"]}\r\n', newline="")
    assert [one["question"] for one in read_questions(file)] == ["How many\u2028days?"], "one line for JSON"
    file.write_text('{"question": "How many days?", "documents": ["hr/leave.md"]}\n{"question": "Who earns most?"}\n')
    with pytest.raises(Misuse, match="Line 2") as refusal:
        read_questions(file)
    assert "earns" not in refusal.value.message
