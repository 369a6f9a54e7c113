"""`ringfence documents jobs`: what waits for a worker, what it did, and what went wrong."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from ingestion.commands.job_words import attempts_of, job_words, state_of, what_of
from ingestion.commands.printing import plain, print_rows
from ingestion.commands.shared import PARTLY_DONE, JsonOption, TenantOption, checked_name, opened
from policies.commands.options import DataDir
from policies.terminal import folding, out, pairs
from rag.db.engine import Database
from rag.db.job_table import JobState
from rag.db.jobs import Jobs, JobView, NewJob
from rag.settings import Settings, load_settings

LOOK_S = 0.5
"""Between two looks at a job that is followed."""

JobArgument = Annotated[str, typer.Argument(help="Id of the job: job_...")]

jobs = typer.Typer(help="What waits for `ringfence worker`, and what it did.", no_args_is_help=True)


@jobs.command("list")
def list_jobs(
    tenant: TenantOption,
    state: Annotated[
        list[JobState] | None, typer.Option(help="Only jobs in this state, parts of others too; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """The tenant's jobs, newest first."""
    found = _run(lambda jobs, name: jobs.listed(name, states=state or (), limit=limit), tenant, data_dir, reading=True)
    if as_json:
        typer.echo(json.dumps({"jobs": [view.as_json() for view in found]}, ensure_ascii=False))
        return
    table = folding(Column("job", no_wrap=True), "what", Column("state", min_width=max(map(len, JobState))), "reason")
    for view in found:
        row = view.row
        counts = f", {view.done} of {view.total}" if view.total else ""
        why = f"{view.reason} ({attempts_of(row)})" if view.reason else ""
        table.add_row(row.id, plain(what_of(row)), f"{state_of(view)}{counts}", why)
    print_rows(table, f"Tenant {tenant!r} has no such jobs." if state else f"Tenant {tenant!r} has no jobs.")


@jobs.command("show")
def show_job(job: JobArgument, tenant: TenantOption, as_json: JsonOption = False, data_dir: DataDir = None) -> None:
    """One job: how far it is, its parts by state, and what became of its documents, in numbers."""
    _show(_run(lambda jobs, name: jobs.get(name, job), tenant, data_dir, reading=True), as_json=as_json)


@jobs.command("retry")
def retry_job(job: JobArgument, tenant: TenantOption, as_json: JsonOption = False, data_dir: DataDir = None) -> None:
    """Queue a job again, and its parts, as far as they are dead or cancelled."""
    _show(_run(lambda jobs, name: jobs.retry(name, job), tenant, data_dir), as_json=as_json)


@jobs.command("cancel")
def cancel_job(job: JobArgument, tenant: TenantOption, as_json: JsonOption = False, data_dir: DataDir = None) -> None:
    """Stop a job and its parts. What they have made visible stays."""
    _show(_run(lambda jobs, name: jobs.cancel(name, job), tenant, data_dir), as_json=as_json)


async def follow(database: Database, tenant: str, job: str, talk: Console) -> JobView:
    """The job once all of it has ended; until then, how far it is, where somebody watches."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task("waiting for a worker", total=None)
        while True:
            async with database.reading() as session:
                view = await Jobs(session).get(tenant, job)
            bar.update(task, description=state_of(view), completed=view.done, total=view.total or None)
            if view.settled:
                return view
            await asyncio.sleep(LOOK_S)


def queue_up(settings: Settings, new: NewJob, talk: Console, *, wait: bool, as_json: bool) -> int:
    """Enqueue a job and print its id; with `wait`, the job when all of it has ended. The exit code."""
    view = asyncio.run(_queued(settings, new, talk, wait=wait))
    if not wait:
        typer.echo(json.dumps(view.as_json(), ensure_ascii=False) if as_json else view.row.id)
        return 0
    _show(view, as_json=as_json)
    return ended(view, talk)


def ended(view: JobView, talk: Console) -> int:
    """The exit code of a job all of which has ended."""
    if view.superseded:
        talk.print("A later sync of this source has begun: it sees to what was left of this one.", soft_wrap=True)
    if view.state not in (JobState.DONE, JobState.SUPERSEDED):
        return 1
    return PARTLY_DONE if view.incomplete else 0


async def _queued(settings: Settings, new: NewJob, talk: Console, *, wait: bool) -> JobView:
    async with opened(settings) as database:
        async with database.unit_of_work() as session:
            jobs = Jobs(session)
            row, _ = await jobs.enqueue(new)
            view = await jobs.get(new.tenant, row.id)
        if wait:
            # At once: who is interrupted must be able to look at it and to cancel it.
            talk.print(plain(f"Queued as {row.id}."), soft_wrap=True)
        return await follow(database, new.tenant, row.id, talk) if wait else view


def _run(
    act: Callable[[Jobs, str], Awaitable[Any]], tenant: str, data_dir: Path | None, *, reading: bool = False
) -> Any:
    """What `act` returns; one that is `reading` waits for nobody who writes."""

    async def run() -> Any:
        async with (
            opened(load_settings(data_dir=data_dir)) as database,
            database.reading() if reading else database.unit_of_work() as session,
        ):
            return await act(Jobs(session), checked_name(tenant, "tenant"))

    return asyncio.run(run())


def _show(view: JobView, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(view.as_json(), ensure_ascii=False))
        return
    out().print(pairs((name, plain(value)) for name, value in job_words(view)))
