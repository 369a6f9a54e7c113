"""`policy history`, `diff` and `rollback`: the versions of a policy."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from policies.commands.editing import Change, editing
from policies.commands.options import (
    AsAssistant,
    AsJson,
    AsPerson,
    ShowAll,
    Tenant,
    administrator,
    rows_shown,
)
from policies.commands.running import clear_errors, desk_of, run
from policies.edits import Edit
from policies.history import Revision
from policies.printing import edit_pictures, plain, show
from policies.shapes import edit_json, revision_json
from policies.terminal import folding

Epoch = Annotated[int, typer.Argument(min=0, help="A version, as `policy history` shows it.")]


def history(
    context: typer.Context,
    tenant: Tenant,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many edits.")] = 20,
    before: Annotated[int | None, typer.Option(min=1, help="Only edits older than this version.")] = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    as_json: AsJson = False,
) -> None:
    """Show who changed the policy, when and why, newest first."""
    with clear_errors():
        who = administrator(tenant, as_person, as_assistant)
        # One more than is shown tells whether there are any beyond.
        found = run(desk_of(context).history(tenant, who, before=before, limit=limit + 1), "Reading the history")
    shown, following = found[:limit], found[limit - 1].epoch if len(found) > limit else None
    data = {"tenant": tenant, "revisions": [revision_json(revision) for revision in shown], "next": following}
    show(as_json, lambda: data, lambda: _history(shown, following))


def diff(
    context: typer.Context,
    old: Epoch,
    new: Epoch,
    tenant: Tenant,
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Show what leads from the policy of version OLD to that of version NEW, in either direction."""
    with clear_errors():
        who = administrator(tenant, as_person, as_assistant)
        edit = run(desk_of(context).diff(tenant, who, old, new), "Reading the history")
    show(
        as_json,
        lambda: {"tenant": tenant, "old": old, "new": new, **edit_json(edit)},
        partial(_difference, edit, tenant, old, new, rows_shown(show_all)),
    )


@editing
def rollback(epoch: Epoch) -> Change:
    """Make the policy what it was at version EPOCH. This is an edit like any other: the versions since stay known."""
    return Change(lambda desk, tenant, who, wish: desk.roll_back(tenant, epoch, who, wish))


def _history(revisions: Sequence[Revision], following: int | None) -> Iterator[RenderableType]:
    if not revisions:
        yield Text("No edits.")
        return
    table = folding(
        Column("Version", justify="right"),
        Column("When (UTC)", no_wrap=True),
        "Who",
        "Why",
        Column("Lines", no_wrap=True),
    )
    for revision in revisions:
        at = f"{revision.at:%Y-%m-%d %H:%M}"
        table.add_row(
            str(revision.epoch), at, Text(plain(revision.author)), Text(plain(revision.reason)), _size(revision.edit)
        )
    yield table
    if following is not None:
        yield Text(f"There are older ones: --before {following} shows them.", "dim")


def _difference(edit: Edit, tenant: str, old: int, new: int, limit: int | None) -> Iterator[RenderableType]:
    if edit.empty:
        yield Text(f"The policy of {tenant} says the same at version {old} and at version {new}.")
        return
    yield from edit_pictures(edit, limit)
    yield Text(f"{_size(edit)} lines from version {old} of the policy of {tenant} to version {new}.")


def _size(edit: Edit) -> str:
    added, removed = len(edit.add_rules) + len(edit.add_links), len(edit.remove_rules) + len(edit.remove_links)
    return " ".join([*([f"+{added}"] if added else []), *([f"-{removed}"] if removed else [])])
