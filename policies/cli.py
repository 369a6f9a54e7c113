"""`ringfence policy`: read, change, try out, question and test a tenant's policy.

The commands are given their desk by whoever builds them: policies know nobody. Data goes to standard output, talk and
complaints to standard error. Exit codes: 0 done, 1 failed, 2 misuse, 4 denied.
"""

from collections.abc import Callable, Mapping

import typer

from policies.commands.files import edit, export, import_policy, load, simulate
from policies.commands.lines import add, link, remove, unlink
from policies.commands.listing import list_policy
from policies.commands.looking_back import diff, history, rollback
from policies.commands.rights import check, explain, plan, what, who
from policies.commands.testing import test
from policies.desk import PolicyDesk

_GROUPS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "Lines": {"list": list_policy, "add": add, "remove": remove, "link": link, "unlink": unlink},
    "Files": {"simulate": simulate, "edit": edit, "load": load, "import": import_policy, "export": export},
    "Versions": {"history": history, "diff": diff, "rollback": rollback},
    "Rights": {"explain": explain, "who": who, "what": what, "check": check, "plan": plan},
    "Tests": {"test": test},
}


def build(desk: PolicyDesk) -> typer.Typer:
    """The `policy` commands on the given desk."""
    app = typer.Typer(name="policy", no_args_is_help=True, add_completion=False, help="Who may read and do what.")

    @app.callback()
    def provide(context: typer.Context) -> None:
        context.obj = desk

    for group, commands in _GROUPS.items():
        for name, command in commands.items():
            app.command(name, rich_help_panel=group)(command)
    return app
