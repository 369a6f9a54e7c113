"""`ringfence policy`: read, change, try out and test a tenant's policy.

The commands are given their database by whoever builds them: policies know nobody. Data goes to standard
output, complaints to standard error. Exit codes: 0 done, 1 failed, 2 misuse, 4 denied.
"""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from policies import printing
from policies.cases import InvalidPolicyFile, read_policy_file, run_cases
from policies.check import Decision
from policies.check import check as decide
from policies.plan import Plan
from policies.plan import plan as compile_plan
from policies.rules import ANY, Attributes, Caller, Effect, InvalidRule, Level, RoleLink, Rule, action_name
from policies.store import Edit, InvalidEdit, PolicyError, PolicyStore
from policies.wording import rule_id

OpenSession = Callable[[], AbstractAsyncContextManager[AsyncSession]]
"""A session that commits what was done in it when it closes without an error."""
FindAttributes = Callable[[AsyncSession, str, str], Awaitable[Attributes | None]]
"""The attributes of a tenant's document, or None where there is no such document."""

FAILED, MISUSE, DENIED = 1, 2, 4

Tenant = Annotated[str, typer.Option("--tenant", envvar="RINGFENCE_TENANT", help="Whose policy.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the edit and say what it would do; store nothing.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stays in the history of the policy.")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group that an identity token would vouch for. Repeatable.")
]
Assistant = Annotated[str | None, typer.Option("--assistant", help="The program that asks on the person's behalf.")]
Person = Annotated[str, typer.Argument(help="user:NAME, or just NAME.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False)]


@dataclass(frozen=True, slots=True)
class _Parts:
    open_session: OpenSession
    find_attributes: FindAttributes


def build(open_session: OpenSession, find_attributes: FindAttributes) -> typer.Typer:
    """The `policy` commands on the given database."""
    app = typer.Typer(name="policy", no_args_is_help=True, add_completion=False, help="Who may read and do what.")
    parts = _Parts(open_session, find_attributes)

    @app.callback()
    def provide(context: typer.Context) -> None:
        context.obj = parts

    commands: dict[str, Callable[..., None]] = {
        "list": list_policy,
        "add": add,
        "remove": remove,
        "link": link,
        "unlink": unlink,
        "load": load,
        "check": check,
        "plan": plan,
        "test": test,
    }
    for name, command in commands.items():
        app.command(name)(command)
    return app


def list_policy(context: typer.Context, tenant: Tenant, as_json: AsJson = False) -> None:
    """Show all rules and role links."""

    async def run() -> tuple[int, tuple[Rule, ...], tuple[RoleLink, ...]]:
        async with _parts(context).open_session() as session:
            snapshot = await PolicyStore(session).snapshot(tenant)
            return snapshot.epoch, snapshot.rules, snapshot.links

    with _clear_errors():
        epoch, rules, links = asyncio.run(run())
    data = {
        "tenant": tenant,
        "epoch": epoch,
        "rules": [printing.rule_json(rule) for rule in rules],
        "links": [printing.link_json(link) for link in links],
    }
    printing.show(
        as_json,
        data,
        lambda: (
            printing.rules_table(rules),
            printing.links_table(links),
            Text(f"Policy of {tenant}, version {epoch}."),
        ),
    )


def add(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="user:, group:, role: or assistant: and a name.")],
    action: Annotated[str, typer.Argument(help="read, ingest, delete, relabel, administer or unmask:<ENTITY>.")],
    tenant: Tenant,
    reason: Reason,
    department: Annotated[str, typer.Option(help="Only documents of this department.")] = ANY,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only documents with this tag. Repeatable: all of them.")
    ] = None,
    owner: Annotated[str, typer.Option(help="`self`: only documents that the reader owns.")] = ANY,
    document: Annotated[str, typer.Option(help="Only this document; `@shared`: those shared with the reader.")] = ANY,
    level: Annotated[str, typer.Option(help="The highest classification covered.")] = "secret",
    deny: Annotated[bool, typer.Option("--deny", help="Forbid instead of allow; beats every allow.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add one rule."""
    with _clear_errors():
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
        _edit(context, tenant, lambda *_: Edit(add_rules=(rule,)), reason, dry_run, as_json)


def remove(
    context: typer.Context,
    rule: Annotated[list[str], typer.Argument(metavar="RULE_ID...", help="Ids as `policy list` shows them.")],
    tenant: Tenant,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove rules."""

    def edit(rules: tuple[Rule, ...], _links: tuple[RoleLink, ...]) -> Edit:
        known = {rule_id(stored): stored for stored in rules}
        for name in rule:
            if name not in known:
                raise InvalidEdit(f"No rule of tenant {tenant!r} has the id {name!r}. `policy list` shows the ids.")
        return Edit(remove_rules=tuple(known[name] for name in dict.fromkeys(rule)))

    with _clear_errors():
        _edit(context, tenant, edit, reason, dry_run, as_json)


def link(
    context: typer.Context,
    member: Annotated[str, typer.Argument(help="Who: user:, group:, role: or assistant: and a name.")],
    parent: Annotated[str, typer.Argument(help="In what: group:, role: or compartment: and a name.")],
    tenant: Tenant,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a member everything that a group or role has, or open a compartment to it."""
    with _clear_errors():
        added = RoleLink(member, parent, tenant)
        _edit(context, tenant, lambda *_: Edit(add_links=(added,)), reason, dry_run, as_json)


def unlink(
    context: typer.Context,
    member: Annotated[str, typer.Argument()],
    parent: Annotated[str, typer.Argument()],
    tenant: Tenant,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take a role link away; it is gone on the very next question."""
    with _clear_errors():
        removed = RoleLink(member, parent, tenant)
        _edit(context, tenant, lambda *_: Edit(remove_links=(removed,)), reason, dry_run, as_json)


def load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A policy file in YAML.")],
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why; stays in the history. Default: the file's name.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add everything of FILE that is missing, all of it or nothing. Loading it again changes nothing.

    Nothing is loaded while one of the file's own cases fails.
    """
    with _clear_errors():
        parsed = read_policy_file(file)
        failed = [result.case.why for result in run_cases(parsed) if not result.passed]
        if failed:
            raise InvalidPolicyFile(
                f"{file}: {len(failed)} of its cases fail, the first: {failed[0]} See `policy test`."
            )

        def edit(rules: tuple[Rule, ...], links: tuple[RoleLink, ...]) -> Edit:
            return Edit(
                add_rules=tuple(rule for rule in parsed.rules_in(tenant) if rule not in set(rules)),
                add_links=tuple(link for link in parsed.links_in(tenant) if link not in set(links)),
            )

        _edit(context, tenant, edit, reason or f"loaded {file.name}", dry_run, as_json)


def check(
    context: typer.Context,
    person: Person,
    action: Annotated[str, typer.Argument(help="read, unmask:<ENTITY>, ...")],
    document: Annotated[str, typer.Argument(help="The document's id.")],
    tenant: Tenant,
    assistant: Assistant = None,
    group: Groups = None,
    as_json: AsJson = False,
) -> None:
    """Decide one question, and say which rule decided. Exit code 4 when the answer is no."""
    with _clear_errors():
        callers = _callers(tenant, person, assistant, group)
        action_name(action)

        async def run() -> Decision:
            async with _parts(context).open_session() as session:
                attributes = await _parts(context).find_attributes(session, tenant, document)
                if attributes is None:
                    raise PolicyError(f"Tenant {tenant!r} has no document {document!r}.")
                return decide(await PolicyStore(session).snapshot(tenant), callers, action, attributes)

        decision = asyncio.run(run())
    printing.show(as_json, printing.decision_json(decision), lambda: (printing.decision_text(decision),))
    if not decision.allowed:
        raise typer.Exit(FAILED if decision.error else DENIED)


def plan(
    context: typer.Context,
    person: Person,
    tenant: Tenant,
    assistant: Assistant = None,
    group: Groups = None,
    action: Annotated[str, typer.Option(help="read, unmask:<ENTITY>, ...")] = "read",
    as_json: AsJson = False,
) -> None:
    """Show which documents somebody may read, as the search will be told."""
    with _clear_errors():
        callers = _callers(tenant, person, assistant, group)
        action_name(action)

        async def run() -> Plan:
            async with _parts(context).open_session() as session:
                return compile_plan(await PolicyStore(session).snapshot(tenant), callers, action)

        compiled = asyncio.run(run())
    printing.show(as_json, printing.plan_json(compiled), lambda: printing.plan_pictures(compiled))


def test(files: Files, as_json: AsJson = False) -> None:
    """Decide the cases written in policy files, on the rules of each file alone. Needs no database."""
    with _clear_errors():
        results = {str(file): run_cases(read_policy_file(file)) for file in files}
    failures = sum(not result.passed for found in results.values() for result in found)
    data = {
        "failed": failures,
        "files": [
            {"file": name, "cases": [printing.case_json(result) for result in found]} for name, found in results.items()
        ],
    }
    printing.show(as_json, data, lambda: (printing.cases_table(name, found) for name, found in results.items()))
    empty = [name for name, found in results.items() if not found]
    for name in empty:
        typer.echo(f"error: {name} has no cases, so nothing was tested. Write some under `cases:`.", err=True)
    if failures or empty:
        raise typer.Exit(FAILED)


def _edit(
    context: typer.Context,
    tenant: str,
    make: Callable[[tuple[Rule, ...], tuple[RoleLink, ...]], Edit],
    reason: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make an edit from the stored policy, apply it in one transaction, and show what happened."""

    async def run() -> tuple[Edit, int]:
        async with _parts(context).open_session() as session:
            store = PolicyStore(session)
            edit = make(await store.rules(tenant), await store.links(tenant))
            if edit.empty:
                return edit, await store.epoch(tenant)
            if dry_run:
                return edit, await store.validate(tenant, edit)
            return edit, await store.apply(tenant, edit, author=_author(), reason=reason)

    edit, epoch = asyncio.run(run())
    data = {
        "tenant": tenant,
        "epoch": epoch,
        "dry_run": dry_run,
        "added_rules": [printing.rule_json(rule) for rule in edit.add_rules],
        "removed_rules": [printing.rule_json(rule) for rule in edit.remove_rules],
        "added_links": [printing.link_json(link) for link in edit.add_links],
        "removed_links": [printing.link_json(link) for link in edit.remove_links],
    }
    printing.show(as_json, data, lambda: (printing.edit_text(edit, tenant, epoch, dry_run),))


def _callers(tenant: str, person: str, assistant: str | None, groups: list[str] | None) -> tuple[Caller, ...]:
    caller = Caller(tenant, _named("user", person), frozenset(_named("group", name) for name in groups or ()))
    return (caller,) if assistant is None else (caller, Caller(tenant, _named("assistant", assistant)))


def _named(kind: str, name: str) -> str:
    return name if ":" in name else f"{kind}:{name}"


def _author() -> str:
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        # A container's user id often has no name.
        return f"operator:uid-{os.getuid()}"


def _parts(context: typer.Context) -> _Parts:
    parts = context.obj
    if not isinstance(parts, _Parts):
        raise TypeError("the policy commands are made by build()")
    return parts


@contextmanager
def _clear_errors() -> Iterator[None]:
    """One line on standard error, and the exit code that tells misuse from failure."""
    try:
        yield
    except (InvalidRule, InvalidEdit, InvalidPolicyFile) as mistake:
        typer.echo(f"error: {mistake}", err=True)
        raise typer.Exit(MISUSE) from None
    except PolicyError as failure:
        typer.echo(f"error: {failure}", err=True)
        raise typer.Exit(FAILED) from None
