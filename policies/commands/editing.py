"""How every command that changes a policy runs: whose policy, on whose authority, tried out or saved, and shown.

A command says what it wants done, as a `Change`; `editing` gives it the options that all edits share.
"""

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from typing import Any

import typer

from policies.administration import Administrator
from policies.commands.consequences import outcome_pictures
from policies.commands.options import (
    AsAssistant,
    AsJson,
    AsPerson,
    DryRun,
    ExpectEpoch,
    ExposeCanaries,
    Reason,
    ShowAll,
    Tenant,
    administrator,
    rows_shown,
)
from policies.commands.running import DENIED, clear_errors, desk_of, fail, require_administering, run
from policies.desk import MakeEdit, Outcome, PolicyDesk, Wish
from policies.edits import InvalidEdit
from policies.printing import show
from policies.shapes import outcome_json

Make = Callable[[PolicyDesk, str, Administrator, Wish], Coroutine[Any, Any, Outcome]]


@dataclass(frozen=True, slots=True)
class Change:
    """What a command wants done. `reason` stands in the history where none is given."""

    make: Make
    reason: str = ""


def change_by(make_edit: MakeEdit, reason: str = "") -> Change:
    """The change that makes this edit of the policy that stands."""
    return Change(lambda desk, tenant, who, wish: desk.edit(tenant, make_edit, who, wish), reason)


def editing(command: Callable[..., Change]) -> Callable[..., None]:
    """The command as typer takes it: with its own arguments first, then the options of every edit."""
    own = inspect.signature(command).parameters
    shared = {name: found for name, found in inspect.signature(carry_out).parameters.items() if name != "change"}

    def run_edit(**given: Any) -> None:
        with clear_errors():
            change = command(**{name: given[name] for name in own})
            carry_out(change, **{name: given[name] for name in shared})

    parameters = [found.replace(kind=Parameter.KEYWORD_ONLY) for found in {**own, **shared}.values()]
    run_edit.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    run_edit.__name__, run_edit.__doc__ = command.__name__, command.__doc__
    return run_edit


def carry_out(
    change: Change,
    context: typer.Context,
    tenant: Tenant,
    reason: Reason = "",
    dry_run: DryRun = False,
    expose_canaries: ExposeCanaries = False,
    expect_epoch: ExpectEpoch = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Try the change out or save it, and show what became of it.

    Raises:
        InvalidEdit, and whatever the desk raises: nothing was stored.
    """
    who = administrator(tenant, as_person, as_assistant)
    wish = Wish(_reason(reason or change.reason, dry_run), dry_run, expose_canaries, expect_epoch)

    async def work(desk: PolicyDesk) -> Outcome:
        await require_administering(desk, tenant, who)
        return await change.make(desk, tenant, who, wish)

    outcome = run(work(desk_of(context)), "Looking at what this does")
    show(
        as_json,
        partial(outcome_json, tenant, outcome, dry_run=dry_run),
        partial(outcome_pictures, outcome, tenant, rows_shown(show_all)),
    )
    if dry_run and outcome.simulation is not None and outcome.simulation.canaries and not expose_canaries:
        fail("A canary would be exposed, so this would not be saved without --expose-canaries.", DENIED)


def _reason(given: str, dry_run: bool) -> str:
    if not dry_run and not given.strip():
        raise InvalidEdit("Say why with --reason: it stays in the history.")
    if not given.isprintable():
        raise InvalidEdit("A reason is one line of text without control characters: histories are read in terminals.")
    return given.strip()
