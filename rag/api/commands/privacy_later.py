"""Commands under `ringfence privacy` that are imported when they are called: their modules load models, or belong to
another room and are found by entry point."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from rag.errors import Misuse

GROUP = "ringfence.privacy"

OURS: Mapping[str, str] = {"explain": "rag.api.commands.privacy_explaining:explain"}
SUMMARIES: Mapping[str, str] = {
    "scan": "Report what would be masked in files; nothing is stored.",
    "explain": "Show what is masked in a text, and why.",
    "review": "Decide about low-confidence findings one by one.",
}
"""What stands in the overview. Kept here so that it loads none of them."""


class Later(TyperCommand):
    """A command that is loaded when it is called."""

    def __init__(self, name: str, summary: str, load: Callable[[], object]) -> None:
        super().__init__(name, help=summary)
        self._load = load

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        return self.command().make_context(info_name, args, parent, **extra)

    def command(self) -> Any:
        """The command itself, loaded now.

        Raises:
            Misuse: it belongs to a part that is not installed.
        """
        app = typer.Typer(add_completion=False)
        function = self._load()
        if not callable(function):
            raise Misuse(f"The entry point of the command {self.name!r} is not a function. Reinstall the package.")
        app.command(name=self.name)(function)
        return typer.main.get_command(app)


class WithLater(TyperGroup):
    """The commands that are there, and those that come when they are called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *SUMMARIES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SUMMARIES:
            return super().get_command(ctx, cmd_name)
        return Later(cmd_name, SUMMARIES[cmd_name], lambda: _loaded(cmd_name))


def load_function(name: str) -> object:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _loaded(name: str) -> object:
    if name in OURS:
        return load_function(OURS[name])
    found = next((one for one in entry_points(group=GROUP) if one.name == name), None)
    if found is None:
        raise Misuse(f"The command `privacy {name}` belongs to a part that is not installed. Reinstall the package.")
    return found.load()
