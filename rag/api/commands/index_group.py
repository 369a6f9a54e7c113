"""`ringfence index`: the commands of this room, and those that read documents, which another room brings."""

from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from rag.api.commands.index_comparing import compare
from rag.api.commands.index_listing import list_indexes
from rag.api.commands.index_switching import promote, rollback
from rag.api.commands.privacy_later import Later
from rag.errors import Misuse

GROUP = "ringfence.index"
SUMMARIES = {
    "build": "Build an index beside the live one, with another embedder, chunk size or masking.",
    "catch-up": "Read a source again into the index beside the live one.",
    "drop": "Remove the index beside the live one.",
}
"""What stands in the overview. Kept here so that it loads none of them."""


class WithIngestion(TyperGroup):
    """The commands that are there, and those that are found by entry point when they are called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *SUMMARIES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SUMMARIES:
            return super().get_command(ctx, cmd_name)
        return Later(cmd_name, SUMMARIES[cmd_name], lambda: _loaded(cmd_name))


def _loaded(name: str) -> object:
    found = next((one for one in entry_points(group=GROUP) if one.name == name), None)
    if found is None:
        raise Misuse(f"The command `index {name}` belongs to a part that is not installed. Reinstall the package.")
    return found.load()


index = typer.Typer(
    cls=WithIngestion,
    no_args_is_help=True,
    add_completion=False,
    help="Indexes of a tenant: build one beside the live one, compare them, switch, go back.",
)
index.command(name="list")(list_indexes)
index.command()(compare)
index.command()(promote)
index.command()(rollback)
