"""`policy explain`, `who`, `what`, `check` and `plan`: questions about rights. Nothing is changed."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, TypeVar

import typer

from policies.administration import Administrator
from policies.commands.answers import decision_picture, explained_pictures, reach_pictures, readers_pictures
from policies.commands.options import (
    Action,
    AsAssistant,
    AsAssistantToo,
    AsJson,
    AsPerson,
    Assistant,
    Document,
    Groups,
    Person,
    ShowAll,
    Tenant,
    administrator,
    callers_of,
    rows_shown,
)
from policies.commands.plans import plan_pictures
from policies.commands.running import DENIED, FAILED, clear_errors, desk_of, require_administering, run
from policies.enquiries import Enquiries
from policies.printing import show
from policies.rules import action_name
from policies.shapes import decision_json, explained_json, plan_json, reach_json, readers_json

_Found = TypeVar("_Found")


def explain(
    context: typer.Context,
    person: Person,
    document: Document,
    tenant: Tenant,
    action: Action = "read",
    assistant: Assistant = None,
    group: Groups = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistantToo = None,
    as_json: AsJson = False,
) -> None:
    """Say why somebody may or may not act on a document: the deciding rule and the way to it, or what came nearest."""
    with clear_errors():
        callers, wanted = callers_of(tenant, person, assistant, group), action_name(action)
        who_asks = administrator(tenant, as_person, as_assistant)
        found = _ask(context, tenant, who_asks, lambda on: on.explain(tenant, who_asks, callers, wanted, document))
    head = {"tenant": tenant, "action": wanted, "document": document}
    show(as_json, lambda: head | {"found": explained_json(found)}, partial(explained_pictures, found, wanted))
    if any(one.explanation.decision.error for one in found):
        raise typer.Exit(FAILED)


def who(
    context: typer.Context,
    document: Document,
    tenant: Tenant,
    action: Action = "read",
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Show everybody who may act on a document, and through what."""
    with clear_errors():
        wanted, who_asks = action_name(action), administrator(tenant, as_person, as_assistant)
        found = _ask(context, tenant, who_asks, lambda on: on.who(tenant, who_asks, document, wanted))
    head = {"tenant": tenant, "action": wanted, "document": document}
    limit = rows_shown(show_all)
    show(as_json, lambda: head | {"found": readers_json(found)}, partial(readers_pictures, found, wanted, limit))


def what(
    context: typer.Context,
    person: Person,
    tenant: Tenant,
    action: Action = "read",
    assistant: Assistant = None,
    group: Groups = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistantToo = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Show what somebody may act on: how many documents of each level and department, and examples."""
    with clear_errors():
        callers, wanted = callers_of(tenant, person, assistant, group), action_name(action)
        who_asks = administrator(tenant, as_person, as_assistant)
        reach = _ask(context, tenant, who_asks, lambda on: on.what(tenant, who_asks, callers, wanted))
    head = {"tenant": tenant, "action": wanted, "callers": [caller.subject for caller in callers]}
    limit = rows_shown(show_all)
    show(as_json, lambda: head | reach_json(reach), partial(reach_pictures, reach, callers, wanted, limit))


def check(
    context: typer.Context,
    person: Person,
    action: Annotated[str, typer.Argument(help="read, unmask:<ENTITY>, ...")],
    document: Document,
    tenant: Tenant,
    assistant: Assistant = None,
    group: Groups = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistantToo = None,
    as_json: AsJson = False,
) -> None:
    """Decide about a document as a whole, and name the rule that decided. Exit code 4 when the answer is no."""
    with clear_errors():
        callers, wanted = callers_of(tenant, person, assistant, group), action_name(action)
        who_asks = administrator(tenant, as_person, as_assistant)
        found = _ask(context, tenant, who_asks, lambda on: on.explain(tenant, who_asks, callers, wanted, document))
    decision = found[0].explanation.decision
    show(as_json, partial(decision_json, decision), lambda: (decision_picture(decision),))
    if not decision.allowed:
        raise typer.Exit(FAILED if decision.error else DENIED)


def plan(
    context: typer.Context,
    person: Person,
    tenant: Tenant,
    assistant: Assistant = None,
    group: Groups = None,
    action: Action = "read",
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Show which documents somebody may act on, as the search is told. For the operator: it names people and walls."""
    with clear_errors():
        callers, wanted = callers_of(tenant, person, assistant, group), action_name(action)
        compiled = run(Enquiries(desk_of(context).parts).plan(tenant, callers, wanted), "Reading the policy")
    show(as_json, partial(plan_json, compiled), partial(plan_pictures, compiled, rows_shown(show_all)))


def _ask(
    context: typer.Context,
    tenant: str,
    who_asks: Administrator,
    question: Callable[[Enquiries], Coroutine[Any, Any, _Found]],
) -> _Found:
    """The answer, for somebody who administers anything at all."""
    desk = desk_of(context)

    async def work() -> _Found:
        await require_administering(desk, tenant, who_asks)
        return await question(Enquiries(desk.parts))

    return run(work(), "Looking at the policy")
