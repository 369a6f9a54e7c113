"""An embedder for runs that are about everything else: made-up vectors, in no time."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.embedding.protocol import Embedder


class Unembedded:
    """Measures texts like the embedder that it is given, so that chunks are the same; its vectors mean nothing."""

    name = "made up"
    digest = hashlib.sha256(b"made up").hexdigest()

    def __init__(self, measuring: Embedder) -> None:
        self._measuring = measuring
        self.dim = measuring.dim
        self.tokens_max = measuring.tokens_max

    def count_tokens(self, text: str) -> int:
        return self._measuring.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Of unit length, the same for the same text."""
        seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
        vector = np.random.default_rng(seed).standard_normal(self.dim, dtype=np.float32)
        return vector / np.linalg.norm(vector)
