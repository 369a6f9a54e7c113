"""An embedder that embeds the same text once: the evals ask the same things of the same documents for hours else."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.embedding.protocol import Embedder


class RememberingEmbedder:
    """An `Embedder` that gives the inner one's vectors, and gives the ones it gave before again."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._passages: dict[str, NDArray[np.float32]] = {}
        self._queries: dict[str, NDArray[np.float32]] = {}

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def digest(self) -> str:
        return self._inner.digest

    @property
    def dim(self) -> int:
        return self._inner.dim

    @property
    def tokens_max(self) -> int:
        return self._inner.tokens_max

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._passages]
        self._passages.update(zip(new, self._inner.embed_passages(new), strict=True))
        return np.array([self._passages[text] for text in texts], dtype=np.float32).reshape(len(texts), self.dim)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if text not in self._queries:
            self._queries[text] = self._inner.embed_query(text)
        return self._queries[text]
