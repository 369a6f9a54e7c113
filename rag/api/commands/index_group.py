"""`ringfence index`: the commands of this room, and those that read documents, which another room brings."""

from collections.abc import Mapping
from typing import ClassVar

import typer

from rag.api.commands.index_comparing import compare
from rag.api.commands.index_listing import list_indexes
from rag.api.commands.index_switching import promote, rollback
from rag.api.commands.later import WithLater
from rag.api.commands.tuned_models import forget, models


class IndexCommands(WithLater):
    """Of this room, and of the one that reads documents."""

    word = "index"
    summaries: ClassVar[Mapping[str, str]] = {
        "build": "Build an index beside the live one, with another embedder, chunk size or masking.",
        "catch-up": "Read a source again into the index beside the live one.",
        "drop": "Remove the index beside the live one.",
        "tune": "Fine-tune the embedder on the tenant's own documents, and build an index by it.",
    }
    ours: ClassVar[Mapping[str, str]] = {"tune": "rag.api.commands.index_tuning:tune"}


index = typer.Typer(
    cls=IndexCommands,
    no_args_is_help=True,
    add_completion=False,
    help="Indexes of a tenant: build one beside the live one, compare them, switch, go back.",
)
index.command(name="list")(list_indexes)
index.command()(compare)
index.command()(promote)
index.command()(rollback)
index.command()(models)
index.command()(forget)
