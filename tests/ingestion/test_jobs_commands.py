"""Jobs on the command line: queued, worked on by the real worker with the real models, looked at, stopped."""

import asyncio
import json
import signal
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine, event

from ingestion.commands.jobs import ended, follow
from ingestion.commands.shared import PARTLY_DONE, opened
from ingestion.leases import Progress
from ingestion.queue import JobQueue
from ingestion.report import Observer, Step
from policies.tenancy import every_tenant
from rag import cli
from rag.db.engine import Database
from rag.db.job_table import SYNC, JobState
from rag.db.jobs import Jobs, JobView, NewJob
from rag.errors import Misuse
from rag.settings import load_settings
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


@pytest.mark.parametrize("options", [("--wait",), ("--enqueue", "--dry-run"), ("--priority", "0")])
def test_options_that_do_not_go_together_are_refused(folder: Path, options: tuple[str, ...]) -> None:
    assert cli.main(["ingest", str(folder), *options, *TENANT_OPTION], COMMANDS) == 2


@pytest.mark.parametrize(("option", "refused"), [(("--data-dir", "elsewhere"), True), ((), False)])
def test_a_data_folder_that_workers_of_a_cluster_would_not_know_is_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: tuple[str, ...],
    refused: bool,
) -> None:
    def reached() -> None:
        raise Misuse("Ray is looked for.")

    monkeypatch.setattr("ingestion.commands.ingesting.import_ray", reached)
    assert cli.main(["ingest", str(folder), "--engine", "ray", *option, *TENANT_OPTION], COMMANDS) == 2
    assert ("RINGFENCE_DATA_DIR" if refused else "Ray is looked for.") in capsys.readouterr().err


def test_looking_at_jobs_does_not_wait_for_who_writes(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite there is one writer at a time. Changing them does."""
    cli.main(["ingest", str(folder), "--enqueue", *TENANT_OPTION], COMMANDS)
    job = capsys.readouterr().out.strip()
    writing: list[str] = []

    def keep(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        writing.extend([statement] if statement == "BEGIN IMMEDIATE" else [])

    event.listen(Engine, "before_cursor_execute", keep)
    numbers = []
    for arguments in (["list"], ["show", job], ["cancel", job]):
        writing.clear()
        assert cli.main(["documents", "jobs", *arguments, *TENANT_OPTION], COMMANDS) == 0
        numbers.append(len(writing))
    event.remove(Engine, "before_cursor_execute", keep)
    assert numbers == [0, 0, 1]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_who_waits_for_a_job_is_told_its_id_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, as_json: tuple[str, ...]
) -> None:
    async def interrupted(database: Database, tenant: str, job: str, talk: Console) -> JobView:
        raise KeyboardInterrupt(job)

    monkeypatch.setattr("ingestion.commands.jobs.follow", interrupted)
    command = ["ingest", str(folder), "--enqueue", "--wait", *TENANT_OPTION, *as_json]
    assert cli.main(command, COMMANDS) == cli.INTERRUPTED
    told = capsys.readouterr()
    (queued,) = answer(capsys, "documents", "jobs", "list", *TENANT_OPTION)[1]["jobs"]
    assert (told.out, f"Queued as {queued['id']}." in told.err) == ("", True)


@pytest.mark.parametrize(
    ("reached", "dry_run", "said"),
    [
        ((2, 5), (), "2 of 5 documents were gone through; what was written of them is kept, and readers see it after"),
        ((0, 0), (), "before any document was gone through. Run the same command again"),
        ((2, 5), ("--dry-run",), "Nothing was changed"),
    ],
)
def test_who_interrupts_a_run_is_told_once_what_is_kept_and_that_it_goes_on(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reached: tuple[int, int],
    dry_run: tuple[str, ...],
    said: str,
) -> None:
    async def interrupted(*arguments: Any, **options: Any) -> None:
        (progress,) = (argument for argument in arguments if isinstance(argument, Progress))
        progress.observe(Step.FINISHED, "a.txt", *reached)
        raise KeyboardInterrupt

    monkeypatch.setattr("ingestion.commands.ingesting._ingest", interrupted)
    assert cli.main(["ingest", str(folder), *TENANT_OPTION, *dry_run], COMMANDS) == cli.INTERRUPTED
    told = capsys.readouterr().err
    assert (said in told, told.count("Interrupted"), "0 of 0" in told) == (True, 1, False)


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[Any], Any]]:
    """What sets what Ctrl-C does, until the end of the test."""
    before = signal.getsignal(signal.SIGINT)
    yield partial(signal.signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "does"),
    [
        (signal.SIGTERM, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_IGN),
        (signal.SIGINT, signal.default_int_handler),
    ],
    ids=["SIGTERM", "SIGTERM in the background of a shell", "SIGINT"],
)
def test_a_run_that_is_told_to_stop_ends_in_order_and_its_job_says_how_far_it_came(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ctrl_c: Callable[[Any], Any],
    number: signal.Signals,
    does: Any,
) -> None:
    ctrl_c(does)

    async def told_to_stop(*_: Any, observe: Observer, **__: Any) -> None:
        observe(Step.FINISHED, "a.txt", 2, 5)
        signal.raise_signal(number)
        await asyncio.Event().wait()

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("ingestion.commands.ingesting.bring_up_to_date", told_to_stop)
    assert cli.main(["ingest", str(folder), *TENANT_OPTION], COMMANDS) == cli.INTERRUPTED
    assert "2 of 5 documents" in capsys.readouterr().err
    (job,) = answer(capsys, "documents", "jobs", "list", *TENANT_OPTION)[1]["jobs"]
    assert (job["state"], job["reason"], job["settled"]) == ("cancelled", "interrupted", True)
    assert (job["progress"]["done"], job["progress"]["total"]) == (2, 5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_job_that_a_direct_run_overtook_is_not_shown_as_done(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed_only() -> str:
        async with opened(load_settings()) as database:
            queue = JobQueue(database, "worker")
            with every_tenant():
                job = await queue.enqueue(NewJob(TENANT, SYNC, "docs"))
                lease = await queue.claim()
                assert lease is not None
                part = NewJob(TENANT, "documents", "docs", {"listed": lease.turn}, parent=job, total=2)
                await queue.finish(lease, Progress(), {}, [part])
            return job

    job = asyncio.run(listed_only())
    assert cli.main(["ingest", str(folder), "--source", "docs", *TENANT_OPTION], COMMANDS) == 0
    capsys.readouterr()
    code, shown = answer(capsys, "documents", "jobs", "show", job, *TENANT_OPTION)
    assert (code, shown["settled"], shown["parts"]) == (0, True, {"superseded": 1})
    assert cli.main(["documents", "jobs", "list", *TENANT_OPTION], COMMANDS) == 0
    assert "superseded" in capsys.readouterr().out
    direct = answer(capsys, "documents", "jobs", "list", *TENANT_OPTION)[1]["jobs"][0]
    assert (direct["state"], direct["result"]) == ("done", {"documents": {"new": 1}})
    assert (direct["progress"]["done"], direct["progress"]["total"]) == (1, 1)


async def test_who_waited_for_a_superseded_job_is_told_so_and_that_not_all_was_done(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = JobQueue(database, "worker")
    job = await queue.enqueue(NewJob(TENANT, SYNC, "docs"))
    assert await queue.claim() is not None
    await queue.begin(TENANT, "docs", {})
    async with database.reading() as session:
        view = await Jobs(session).get(TENANT, job)
    assert ended(view, Console(stderr=True)) == PARTLY_DONE
    assert "A later sync of this source" in capsys.readouterr().err


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
