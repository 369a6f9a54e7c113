"""`ringfence eval reciting-model`: a model for `ringfence eval serve`, written for one data folder."""

import asyncio
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rag.errors import Misuse


class ShapeName(StrEnum):
    TINY = "tiny"
    ONE = "1b"
    EIGHT = "8b"


def reciting_model_command(
    folder: Annotated[Path, typer.Argument(help="New folder, in the layout of Hugging Face.")],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="Data folder with the sample company; a new one is filled with it.")
    ],
    shape: Annotated[
        ShapeName, typer.Option(help="tiny for a processor (0.1 GB); Llama's 1b (3 GB) and 8b (16 GB) for a GPU.")
    ] = ShapeName.TINY,
) -> None:
    """Write a model that recites sentences of the sample company, at the cost of a Llama: for `eval serve`."""
    from evals.company import prepare
    from evals.serving.bare import ANSWER_TOKENS
    from evals.serving.recitals import read_passages, recitals_of
    from evals.serving.reciting_model import SHAPES, Words, write_reciting_model
    from rag.db.engine import open_database
    from rag.settings import load_settings

    if folder.exists() and any(folder.iterdir()):
        raise Misuse(f"{folder} is not empty: name a new folder.")
    if not data_dir.exists():
        prepare(data_dir, partial(typer.echo, err=True))
    settings = load_settings(data_dir=data_dir)

    async def passages() -> list[str]:
        database = await open_database(settings.database_url)
        try:
            return await read_passages(database)
        finally:
            await database.close()

    texts = asyncio.run(passages())
    if not texts:
        raise Misuse(f"{data_dir} does not hold the sample company: name a new folder, and it is put there.")
    words = Words(iter(texts))
    # One token less than what an answer may have: the end is written, too.
    recitals = recitals_of(texts, lambda said: len(words.tokens(said)) < ANSWER_TOKENS)
    write_reciting_model(folder, SHAPES[shape.value], words, recitals)
    typer.echo(f"{folder}: {len(recitals)} recitals")
