"""Commands that are imported when they are called: their modules load models, or belong to another room and are found
by entry point."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from rag.errors import Misuse


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

    word: ClassVar[str]
    """`ringfence WORD`; what another room brings stands in the entry points `ringfence.WORD`."""
    summaries: ClassVar[Mapping[str, str]]
    """What stands in the overview. Kept apart so that it loads none of them."""
    ours: ClassVar[Mapping[str, str]] = {}
    """Of these, the `module:function` of those that are no entry points."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *self.summaries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.summaries:
            return super().get_command(ctx, cmd_name)
        return Later(cmd_name, self.summaries[cmd_name], lambda: self._loaded(cmd_name))

    def _loaded(self, name: str) -> object:
        if name in self.ours:
            return load_function(self.ours[name])
        found = next((one for one in entry_points(group=f"ringfence.{self.word}") if one.name == name), None)
        if found is None:
            raise Misuse(
                f"The command `{self.word} {name}` belongs to a part that is not installed. Reinstall the package."
            )
        return found.load()


def load_function(name: str) -> object:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
