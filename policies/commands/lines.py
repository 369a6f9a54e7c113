"""`policy add`, `remove`, `link` and `unlink`: single lines."""

from typing import Annotated

import typer

from policies.administration import Administrator
from policies.commands.editing import Change, change_by, editing
from policies.desk import Outcome, PolicyDesk, Wish
from policies.edits import Edit
from policies.files.edit_file import rules_named
from policies.rules import ANY, Effect, Level, RoleLink, Rule

Subject = Annotated[str, typer.Argument(help="user:, group:, role: or assistant: and a name.")]
Parent = Annotated[str, typer.Argument(help="In what: group:, role: or compartment: and a name.")]


@editing
def add(
    tenant: str,
    subject: Subject,
    action: Annotated[str, typer.Argument(help="read, ingest, delete, relabel, administer or unmask:<ENTITY>.")],
    department: Annotated[str, typer.Option(help="Only documents of this department.")] = ANY,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only documents with this tag. Repeatable: all of them.")
    ] = None,
    owner: Annotated[str, typer.Option(help="`self`: only documents that the reader owns.")] = ANY,
    document: Annotated[str, typer.Option(help="Only this document; `@shared`: those shared with the reader.")] = ANY,
    level: Annotated[str, typer.Option(help="The highest classification covered.")] = "secret",
    deny: Annotated[bool, typer.Option("--deny", help="Forbid instead of allow; beats every allow.")] = False,
) -> Change:
    """Add one rule."""
    rule = Rule(
        subject=subject,
        tenant=tenant,
        action=action,
        department=department,
        tags=frozenset(tag or ()),
        owner=owner,
        document=document,
        level=Level.parse(level),
        effect=Effect.DENY if deny else Effect.ALLOW,
    )
    return change_by(lambda *_: Edit(add_rules=(rule,)))


@editing
def remove(
    rule: Annotated[list[str], typer.Argument(metavar="RULE_ID...", help="Ids as `policy list` shows them.")],
) -> Change:
    """Remove rules."""

    async def make(desk: PolicyDesk, tenant: str, who: Administrator, wish: Wish) -> Outcome:
        # An id is looked up among the rules that she sees: it must not tell her what another one says.
        known = (await desk.visible(tenant, who)).rules
        found = tuple(rules_named(list(dict.fromkeys(rule)), known, tenant))
        return await desk.edit(tenant, lambda *_: Edit(remove_rules=found), who, wish)

    return Change(make)


@editing
def link(tenant: str, member: Subject, parent: Parent) -> Change:
    """Give a member everything that a group or role has, or open a compartment to it."""
    added = RoleLink(member, parent, tenant)
    return change_by(lambda *_: Edit(add_links=(added,)))


@editing
def unlink(tenant: str, member: Subject, parent: Parent) -> Change:
    """Take a role link away; it is gone on the very next question."""
    removed = RoleLink(member, parent, tenant)
    return change_by(lambda *_: Edit(remove_links=(removed,)))
