"""Options and arguments that several commands share, and what they mean in the policy's own types."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from policies.administration import Administrator
from policies.rules import Caller, InvalidRule, plain_name
from policies.tenancy import within


def of_tenant(context: typer.Context, tenant: str | None) -> str | None:
    """Callback of an option --tenant: what the command does is that tenant's, see `policies.tenancy`."""
    if tenant is not None:
        context.with_resource(within(tenant))
    return tenant


Tenant = Annotated[str, typer.Option("--tenant", envvar="RINGFENCE_TENANT", callback=of_tenant, help="Whose policy.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Data folder. Default: RINGFENCE_DATA_DIR, then ./ringfence-data.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ShowAll = Annotated[bool, typer.Option("--all", help="Show everything, however long.")]

Reason = Annotated[str, typer.Option("--reason", help="Why; stays in the history. Not needed for a dry run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say who would gain and lose which documents; store nothing.")]
ExposeCanaries = Annotated[
    bool,
    typer.Option("--expose-canaries", help="Save it even though somebody could read a canary. This is recorded."),
]
ExpectEpoch = Annotated[
    int | None, typer.Option("--expect-epoch", min=0, help="Only if the policy still stands at this version.")
]
AsPerson = Annotated[
    str | None,
    typer.Option("--as", help="Under this person's administration. Default: the operator's, whom no policy binds."),
]
_THROUGH = "Through this assistant, which must be allowed to administer as well."
AsAssistant = Annotated[str | None, typer.Option("--as-assistant", "--assistant", help=_THROUGH)]
AsAssistantToo = Annotated[str | None, typer.Option("--as-assistant", help=_THROUGH)]
"""Where `--assistant` is the one that is asked about."""

Person = Annotated[str, typer.Argument(help="user:NAME, or just NAME.")]
Document = Annotated[str, typer.Argument(help="The document's id.")]
Action = Annotated[str, typer.Option("--action", help="read, unmask:<ENTITY>, ...")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group that an identity token would vouch for. Repeatable.")
]
Assistant = Annotated[
    str | None, typer.Option("--assistant", help="The program that asks on the person's behalf: both must be allowed.")
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False)]

ROWS_MAX = 50


def rows_shown(show_all: bool) -> int | None:
    """How many rows a table may have; None for all of them."""
    return None if show_all else ROWS_MAX


def callers_of(tenant: str, person: str, assistant: str | None, groups: list[str] | None) -> tuple[Caller, ...]:
    """The person, and the assistant that asks on her behalf.

    Raises:
        InvalidRule: a name is not one.
    """
    caller = Caller(tenant, named("user", person), frozenset(named("group", name) for name in groups or ()))
    return (caller,) if assistant is None else (caller, Caller(tenant, named("assistant", assistant)))


def administrator(tenant: str, person: str | None, assistant: str | None) -> Administrator:
    """On whose authority the command acts: the operator's, or that of a person for whom the operator acts.

    Raises:
        InvalidRule: a name is not one, or an assistant is named without a person.
    """
    plain_name(tenant, "tenant")
    if person is None:
        if assistant is not None:
            raise InvalidRule("an assistant administers on a person's behalf only: name her with --as")
        return Administrator(_operator(), None)
    callers = callers_of(tenant, person, assistant, None)
    # The history must not say that she did it herself.
    return Administrator(f"{_operator()}/{callers[0].subject}", callers)


def named(kind: str, name: str) -> str:
    """The name with its kind, which may be left out where only one makes sense."""
    return name if ":" in name else f"{kind}:{name}"


def _operator() -> str:
    """The operator's name in history and audit log, which takes ids only."""
    try:
        return f"operator:{plain_name(getpass.getuser(), 'login')}"
    except (KeyError, OSError, InvalidRule):
        # A container's user id often has no name, and a directory's may hold a backslash.
        return f"operator:uid-{os.getuid()}"
