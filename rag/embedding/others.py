"""Embedders beside the one of the settings: an index that another model made names it; it is loaded when asked for."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from rag.embedding.protocol import Embedder
from rag.errors import Damaged, IndexUnavailable
from rag.settings import EmbeddingSettings

Load = Callable[[EmbeddingSettings], Embedder]
NAMED = ("model", "sha256", "precision")
"""The settings that decide which vectors come out; the others are the installation's for every model."""


class EmbedderSource(Protocol):
    """Gives embedders by their digest."""

    async def get(self, named: Mapping[str, Any], digest: str) -> Embedder:
        """The embedder that these settings load, which must be the one of this digest.

        Raises:
            Damaged, Misuse: its files are not what they must be, or not there.
            IndexUnavailable: they load another one.
        """
        ...


class OtherEmbedders:
    """Loads each once for the whole process."""

    def __init__(self, settings: EmbeddingSettings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._loaded: dict[str, Embedder] = {}
        self._loading = asyncio.Lock()

    async def get(self, named: Mapping[str, Any], digest: str) -> Embedder:
        async with self._loading:
            if digest not in self._loaded:
                found = await asyncio.to_thread(self._load, chosen(self._settings, named))
                if found.digest != digest:
                    raise IndexUnavailable(
                        f"The embedding model {named.get('model')} is another one than the index was made by; nothing "
                        "was searched. Put its files back; `ringfence index list` names the index.",
                        code="embedder_mismatch",
                    )
                self._loaded[digest] = found
            return self._loaded[digest]


class NoOthers:
    """The source of whoever has one embedder only."""

    async def get(self, named: Mapping[str, Any], digest: str) -> Embedder:
        raise IndexUnavailable("The embedder of this index cannot be loaded here.", code="embedder_mismatch")


def chosen(settings: EmbeddingSettings, named: Mapping[str, Any]) -> EmbeddingSettings:
    """The settings of the installation with those that an index names.

    Raises:
        Damaged: they are none.
    """
    try:
        return EmbeddingSettings(**{**settings.model_dump(), **named})
    except ValidationError as cause:
        raise Damaged("What an index says of its embedder is no setting; build the index again.") from cause


def named_in(settings: EmbeddingSettings) -> dict[str, Any]:
    """What an index is to remember of these settings."""
    return {name: value for name, value in settings.model_dump(mode="json").items() if name in NAMED}
