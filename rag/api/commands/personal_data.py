"""`ringfence privacy`: the commands about personal data, put together."""

from collections.abc import Mapping
from typing import ClassVar

import typer

from rag.api.commands.later import WithLater
from rag.api.commands.privacy_configuring import configure
from rag.api.commands.privacy_directory import directory
from rag.api.commands.privacy_pruning import prune
from rag.api.commands.privacy_receipts import receipts
from rag.api.commands.privacy_rotation import rotate_key
from rag.api.commands.privacy_unmask import unmask
from rag.api.commands.privacy_upkeep import erase


class PrivacyCommands(WithLater):
    """Of this room, of modules that load models, and of the room that reads documents."""

    word = "privacy"
    ours: ClassVar[Mapping[str, str]] = {"explain": "rag.api.commands.privacy_explaining:explain"}
    summaries: ClassVar[Mapping[str, str]] = {
        "scan": "Report what would be masked in files; nothing is stored.",
        "explain": "Show what is masked in a text, and why.",
        "review": "Decide about low-confidence findings one by one.",
    }


privacy = typer.Typer(
    cls=PrivacyCommands,
    no_args_is_help=True,
    add_completion=False,
    help="Personal data: what is found and how it is masked, who sees or erases it, which keys protect it.",
)
privacy.command()(unmask)
privacy.command()(erase)
privacy.command()(prune)
privacy.command(name="rotate-key")(rotate_key)
privacy.add_typer(receipts, name="receipts")
privacy.add_typer(configure, name="configure")
privacy.add_typer(directory, name="directory")
