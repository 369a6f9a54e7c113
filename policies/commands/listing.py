"""`policy list`: the lines of a policy."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from policies.administration import Administrator
from policies.commands.options import (
    AsAssistant,
    AsJson,
    AsPerson,
    ShowAll,
    Tenant,
    administrator,
    rows_shown,
)
from policies.commands.running import clear_errors, desk_of, require_administering, run
from policies.desk import PolicyDesk, Visible
from policies.printing import links_pictures, rules_pictures, show
from policies.shapes import policy_json


def list_policy(
    context: typer.Context,
    tenant: Tenant,
    subject: Annotated[str | None, typer.Option(help="Only rules of this name, and role links from or to it.")] = None,
    action: Annotated[str | None, typer.Option(help="Only rules about this action, and no role links.")] = None,
    department: Annotated[
        str | None, typer.Option(help="Only rules with this department ('*': with none), and no role links.")
    ] = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Show the rules and role links."""
    with clear_errors():
        who = administrator(tenant, as_person, as_assistant)
        visible = run(_visible(desk_of(context), tenant, who), "Reading the policy")
    chosen = _filtered(visible, subject, action, department)
    limit = rows_shown(show_all)

    def pictures() -> Iterator[RenderableType]:
        yield from rules_pictures(chosen.rules, limit)
        if action is None and department is None:
            yield from links_pictures(chosen.links, limit)
        yield Text(f"Policy of {tenant}, version {chosen.epoch}.")
        if not visible.rules:
            yield Text("Nobody may do anything." if visible.whole else f"{who.name} sees no rule of it.")
        elif not visible.whole:
            yield Text(f"Only what {who.name} administers: the policy may have more lines.")

    show(as_json, partial(policy_json, tenant, chosen), pictures)


async def _visible(desk: PolicyDesk, tenant: str, who: Administrator) -> Visible:
    await require_administering(desk, tenant, who)
    return await desk.visible(tenant, who)


def _filtered(visible: Visible, subject: str | None, action: str | None, department: str | None) -> Visible:
    rules = tuple(
        rule
        for rule in visible.rules
        if subject in (None, rule.subject) and action in (None, rule.action) and department in (None, rule.department)
    )
    if action is not None or department is not None:
        return replace(visible, rules=rules, links=())
    links = tuple(link for link in visible.links if subject in (None, link.member, link.parent))
    return replace(visible, rules=rules, links=links)
