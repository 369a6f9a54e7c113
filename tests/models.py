"""Models for commands that run in a test's own process: loaded once, where each command would load them anew.

Whoever loads the language model verifies its files first, every time; those of the others are verified once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from rag.embedding.minilm import load_embedder
from rag.privacy.guesses import load_model
from rag.privacy.tagger import load_tagger

language_model = cache(load_model)
tagger = cache(load_tagger)
embedder = cache(load_embedder)


@contextmanager
def loaded_once() -> Iterator[None]:
    """In here, commands and services of this process share the models."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("recognize", "explain"):
            patch.setattr(f"rag.privacy.{module}.load_model", language_model)
            patch.setattr(f"rag.privacy.{module}.load_tagger", tagger)
        for module in ("rag.api.composition", "ingestion.commands.ingesting"):
            patch.setattr(f"{module}.load_embedder", embedder)
        yield
