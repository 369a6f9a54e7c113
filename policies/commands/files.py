"""`policy edit`, `simulate`, `load`, `import` and `export`: whole files of lines."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from policies.administration import Administrator, NotAdministered
from policies.commands.editing import Change, carry_out, change_by, editing
from policies.commands.options import (
    AsAssistant,
    AsJson,
    AsPerson,
    File,
    ShowAll,
    Tenant,
    administrator,
)
from policies.commands.running import FAILED, clear_errors, desk_of, fail, require_administering, run
from policies.desk import Outcome, PolicyDesk, Visible, Wish
from policies.diff import edit_between
from policies.edits import Edit, InvalidEdit
from policies.files.cases import run_cases
from policies.files.edit_file import read_edit_file
from policies.files.export import export_policy
from policies.files.file_format import PolicyFile
from policies.files.policy_file import InvalidPolicyFile, read_policy_file
from policies.printing import counted, plain, show
from policies.rules import RoleLink, Rule
from policies.shapes import policy_json


@editing
def edit(file: File) -> Change:
    """Add and remove the lines that FILE names, all of them or none.

    FILE is YAML with any of add_rules, remove_rules (ids or whole rules), add_links and remove_links.
    """
    return _batch(file)


def simulate(
    context: typer.Context,
    file: File,
    tenant: Tenant,
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Say what `policy edit FILE` would do: who gains and loses which documents. Nothing is stored.

    Exit code 4 when a canary would be exposed.
    """
    with clear_errors():
        carry_out(
            _batch(file),
            context,
            tenant,
            dry_run=True,
            as_person=as_person,
            as_assistant=as_assistant,
            show_all=show_all,
            as_json=as_json,
        )


@editing
def load(tenant: str, file: File) -> Change:
    """Add everything of FILE that is missing, all of it or nothing. Loading it again changes nothing.

    Nothing is loaded while one of the file's own cases fails. The reason is the file's name if none is given.
    """
    parsed = _sound_policy(file)

    def missing(rules: Sequence[Rule], links: Sequence[RoleLink]) -> Edit:
        held_rules, held_links = set(rules), set(links)
        return Edit(
            add_rules=tuple(rule for rule in parsed.rules_in(tenant) if rule not in held_rules),
            add_links=tuple(link for link in parsed.links_in(tenant) if link not in held_links),
        )

    return change_by(missing, f"loaded {plain(file.name)}")


@editing
def import_policy(
    tenant: str,
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Remove every line that FILE does not have.")] = False,
) -> Change:
    """Make the policy exactly what FILE says. Nothing is imported while one of the file's own cases fails."""
    if not replace:
        raise InvalidEdit("An import removes every line that the file lacks: say --replace. `policy load` only adds.")
    parsed = _sound_policy(file)
    wanted = parsed.rules_in(tenant), parsed.links_in(tenant)
    return change_by(lambda rules, links: edit_between(rules, links, *wanted))


def export(
    context: typer.Context,
    tenant: Tenant,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write there instead of standard output.")
    ] = None,
    as_person: AsPerson = None,
    as_assistant: AsAssistant = None,
    as_json: AsJson = False,
) -> None:
    """Print the whole policy as a policy file, from which `policy import --replace` makes exactly the same again."""
    with clear_errors():
        who = administrator(tenant, as_person, as_assistant)
        visible = run(_whole(desk_of(context), tenant, who), "Reading the policy")
        text = export_policy(visible.rules, visible.links, tenant=tenant, epoch=visible.epoch)
        if output is not None:
            _write(output, text)
            lines = f"{counted(len(visible.rules), 'rule')} and {counted(len(visible.links), 'role link')}"
            typer.echo(f"The policy of {tenant} at version {visible.epoch}, {lines}, is in {output}.", err=True)
    if as_json:
        show(True, partial(policy_json, tenant, visible), tuple)
    elif output is None:
        typer.echo(text, nl=False)


def _batch(file: Path) -> Change:
    lines = read_edit_file(file)

    async def make(desk: PolicyDesk, tenant: str, who: Administrator, wish: Wish) -> Outcome:
        # An id is looked up among the rules that she sees: it must not tell her what another one says.
        known = (await desk.visible(tenant, who)).rules if lines.names_ids else ()
        wanted = lines.edit(tenant, known)
        return await desk.edit(tenant, lambda *_: wanted, who, wish)

    return Change(make)


def _sound_policy(file: Path) -> PolicyFile:
    """The file, whose own cases hold. Raises InvalidPolicyFile."""
    parsed = read_policy_file(file)
    failed = [result.case.why for result in run_cases(parsed) if not result.passed]
    if failed:
        raise InvalidPolicyFile(f"{file}: {len(failed)} of its cases fail, the first: {failed[0]} See `policy test`.")
    return parsed


async def _whole(desk: PolicyDesk, tenant: str, who: Administrator) -> Visible:
    await require_administering(desk, tenant, who)
    visible = await desk.visible(tenant, who)
    if not visible.whole:
        # Importing a part with --replace would remove the rest.
        raise NotAdministered(f"{who.name} does not administer the whole of tenant {tenant}, which an export holds.")
    return visible


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as cause:
        fail(f"{output}: cannot be written ({cause.strerror or type(cause).__name__}).", FAILED)
