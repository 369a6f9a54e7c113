"""`ringfence privacy`: the commands about personal data, put together."""

import typer

from rag.api.commands.privacy_configuring import configure
from rag.api.commands.privacy_directory import directory
from rag.api.commands.privacy_later import WithLater
from rag.api.commands.privacy_receipts import receipts
from rag.api.commands.privacy_rotation import rotate_key
from rag.api.commands.privacy_unmask import unmask
from rag.api.commands.privacy_upkeep import erase

privacy = typer.Typer(
    cls=WithLater,
    no_args_is_help=True,
    add_completion=False,
    help="Personal data: what is found and how it is masked, who sees or erases it, which keys protect it.",
)
privacy.command()(unmask)
privacy.command()(erase)
privacy.command(name="rotate-key")(rotate_key)
privacy.add_typer(receipts, name="receipts")
privacy.add_typer(configure, name="configure")
privacy.add_typer(directory, name="directory")
