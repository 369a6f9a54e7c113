from collections.abc import Iterator

import pytest

from rag.embedding.minilm import load_embedder
from rag.embedding.protocol import Embedder
from rag.settings import EmbeddingSettings


@pytest.fixture(scope="session")
def minilm() -> Iterator[Embedder]:
    """The bundled model, once."""
    yield load_embedder(EmbeddingSettings())
