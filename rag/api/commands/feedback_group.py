"""`ringfence feedback`: what people said about answers, reviewed, and handed out as evaluation cases.

All of it works on the database and may run while the service runs.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Column
from sqlalchemy.ext.asyncio import AsyncSession

from policies.commands.options import named
from policies.terminal import folding
from rag.api.commands.audit_keeping import output
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
    talk,
)
from rag.api.commands.privacy_upkeep import operator
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.feedback import FeedbackRow, Feedbacks, FeedbackState
from rag.errors import NotFound
from rag.query.feedback_review import Decision, accept, cases, forget_person, reject
from rag.settings import Settings

feedback = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What people said about answers: look at it, make evaluation cases of it, hand them out.",
)
Answer = Annotated[str, typer.Argument(help="Id of the answer, as `feedback list` shows it.")]
T = TypeVar("T")


@feedback.command(name="list")
def list_feedback(
    tenant: Tenant,
    state: Annotated[FeedbackState | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """The newest feedback, without its texts."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)

    async def work(session: AsyncSession) -> list[FeedbackRow]:
        await Feedbacks(session, name).forget_older(_oldest(settings))
        return await Feedbacks(session, name).newest(limit, state)

    rows = [_told(row) for row in _in_one(settings, work)]
    if as_json:
        print_json(rows)
        return
    told = "given", "verdict", "reason", "comment", "question", "state"
    table = folding(Column("answer", no_wrap=True), *told)
    for row in rows:
        kept = ["kept" if row[text] else "" for text in ("has_comment", "has_question")]
        table.add_row(row["answer"], row["given_at"], row["verdict"], row["reason"], *kept, row["state"])
    out().print(table)


@feedback.command()
def show(answer: Answer, tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """One of them with its texts, as they are kept: masked."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)

    async def work(session: AsyncSession) -> FeedbackRow | None:
        return await Feedbacks(session, name).find(answer)

    row = _in_one(settings, work)
    if row is None:
        raise NotFound(f"There is no feedback on answer {answer!r} in tenant {name!r}.")
    told = _told(row) | {"question": row.question, "comment": row.comment, "expected": row.expected}
    if as_json:
        print_json(told)
        return
    for field, value in told.items():
        typer.echo(f"{field:14} {json.dumps(value) if isinstance(value, dict) else '' if value is None else value}")


@feedback.command(name="accept")
def accept_feedback(
    answer: Answer,
    tenant: Tenant,
    documents: Annotated[
        list[str] | None, typer.Option("--document", help="Id of a document that answers it. Repeat it for several.")
    ] = None,
    not_answerable: Annotated[
        bool, typer.Option("--not-answerable", help="No document that she may read answers it.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make an evaluation case of it. Where she says that the answer was right, its own documents are the right ones;
    otherwise say which are, or that none answers it."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    decision = Decision(operator(), datetime.now(UTC), tuple(documents or ()), not_answerable)
    case = _in_one(settings, lambda session: accept(session, name, answer, decision))
    if as_json:
        print_json(case.record())
    else:
        expected = ", ".join(case.expected.positive_documents) or "no document answers it"
        typer.echo(f"{answer} is a case: {expected}")


@feedback.command(name="reject")
def reject_feedback(answer: Answer, tenant: Tenant, data_dir: DataDir = None) -> None:
    """Close it without a case, or take its case back. Its texts are removed."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    decision = Decision(operator(), datetime.now(UTC))
    _in_one(settings, lambda session: reject(session, name, answer, decision))
    typer.echo(f"{answer} is rejected.")


@feedback.command()
def export(
    tenant: Tenant,
    to: Annotated[Path | None, typer.Option("--output", help="A new file. Default: standard output.")] = None,
    data_dir: DataDir = None,
) -> None:
    """The cases as JSON lines: masked question, who asks, and ids of what answers it and what does not."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)

    async def work(session: AsyncSession) -> list[dict[str, Any]]:
        found = [case.record() for case in await cases(session, name)]
        body: AuditBody = {"author": operator(), "cases": len(found)}
        await AuditLog().append(session, name, "feedback_exported", body)
        return found

    found = _in_one(settings, work)
    with output(to) as file:
        for record in found:
            file.write(f"{json.dumps(record)}\n")
    talk().print(f"{len(found)} cases.")


@feedback.command()
def forget(
    tenant: Tenant,
    person: Annotated[str, typer.Option(help="Whose: a name such as user:ann.")],
    data_dir: DataDir = None,
) -> None:
    """Remove all that a person gave, and the cases that were made of it."""
    settings, name, who = settings_for(data_dir), checked_tenant(tenant), named("user", person)
    removed = _in_one(settings, lambda session: forget_person(session, name, who, operator()))
    typer.echo(f"{removed} removed.")


def _in_one(settings: Settings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """What `work` returns; all that it writes is committed together."""

    async def run() -> T:
        async with opened_database(settings) as database, database.unit_of_work() as session:
            return await work(session)

    return asyncio.run(run())


def _oldest(settings: Settings) -> datetime:
    return datetime.now(UTC) - timedelta(days=settings.feedback.keep_days)


def _told(row: FeedbackRow) -> dict[str, Any]:
    """It without its texts."""
    reviewed = None if row.reviewed_at is None else row.reviewed_at.isoformat(timespec="seconds")
    return {
        "answer": row.answer,
        "record": row.record,
        "given_at": row.given_at.isoformat(timespec="seconds"),
        "verdict": row.verdict,
        "reason": row.reason,
        "has_comment": bool(row.comment),
        "has_question": bool(row.question),
        "state": row.state.value,
        "reviewed_by": row.reviewed_by,
        "reviewed_at": reviewed,
    }
