"""Jobs on the command line: queued, worked on by the real worker with the real models, looked at, stopped."""

import asyncio
import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ingestion.commands.jobs import follow
from rag import cli
from rag.db.engine import Database
from rag.db.job_table import JobState
from rag.db.jobs import Jobs, NewJob
from tests.ingestion.test_worker import Crew
from tests.ingestion.worlds import BEFORE, TENANT, write_folder

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
COMMANDS = {name: EntryPoint(name, value, cli.GROUP) for name, value in PROJECT["entry-points"][cli.GROUP].items()}
TENANT_OPTION = ("--tenant", TENANT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", {name: BEFORE[name] for name in ("ringfence.yaml", "changed.md")})


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = cli.main([*arguments, "--json"], COMMANDS)
    return code, json.loads(capsys.readouterr().out)


def test_a_folder_is_queued_and_a_worker_makes_it_visible(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["ingest", str(folder), "--enqueue", "--verify", *TENANT_OPTION], COMMANDS) == 0
    job = capsys.readouterr().out.strip()
    code, queued = answer(capsys, "documents", "jobs", "show", job, *TENANT_OPTION)
    assert (code, queued["state"], queued["progress"]["done"]) == (0, "queued", 0)
    monkeypatch.setenv("RINGFENCE_INGESTION__WORKER_PORT", "0")
    assert cli.main(["worker", "--once"], COMMANDS) == 0
    assert f"{job} (sync of docs-" in capsys.readouterr().err.replace("\n", " ")
    code, done = answer(capsys, "documents", "jobs", "show", job, *TENANT_OPTION)
    assert (done["settled"], done["parts"], done["result"]) == (True, {"done": 1}, {"documents": {"new": 1}})
    code, listed = answer(capsys, "documents", "list", *TENANT_OPTION)
    assert [row["state"] for row in listed["documents"]] == ["visible"]
    assert cli.main(["documents", "jobs", "list", *TENANT_OPTION], COMMANDS) == 0
    assert job in capsys.readouterr().out


def test_jobs_are_cancelled_and_retried_and_anothers_are_not_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["ingest", str(folder), "--enqueue", *TENANT_OPTION], COMMANDS)
    job = capsys.readouterr().out.strip()
    for command, state in (("cancel", "cancelled"), ("retry", "queued")):
        code, shown = answer(capsys, "documents", "jobs", command, job, *TENANT_OPTION)
        assert (code, shown["state"]) == (0, state)
    assert cli.main(["documents", "jobs", "retry", job, *TENANT_OPTION], COMMANDS) == 1
    for command in ("show", "cancel", "retry"):
        assert cli.main(["documents", "jobs", command, job, "--tenant", "globex"], COMMANDS) == 1
    assert answer(capsys, "documents", "jobs", "list", "--state", "dead", *TENANT_OPTION) == (0, {"jobs": []})


@pytest.mark.parametrize("options", [("--wait",), ("--enqueue", "--dry-run")])
def test_options_that_do_not_go_together_are_refused(folder: Path, options: tuple[str, ...]) -> None:
    assert cli.main(["ingest", str(folder), *options, *TENANT_OPTION], COMMANDS) == 2


async def test_a_job_is_followed_until_all_its_parts_have_ended(database: Database, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    crew = Crew(write_folder(tmp_path / "docs", BEFORE))
    async with database.unit_of_work() as session:
        job, _ = await Jobs(session).enqueue(NewJob(TENANT, "sync", "docs"))
    following = asyncio.create_task(follow(database, TENANT, job.id, Console(stderr=True)))
    await crew.worker(database).run(once=True)
    async with asyncio.timeout(20):
        view = await following
    assert (view.row.state, view.parts, view.incomplete) == (JobState.DONE, {"done": 1}, False)
