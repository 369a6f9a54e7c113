"""What turns text into vectors. Input is the index face: never the original, never the reading face."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Synchronous and CPU-bound: call it from a worker thread. Safe to call from several threads."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str:
        """SHA-256 over the model's files: part of what a stored vector was made by."""
        ...

    @property
    def dim(self) -> int: ...

    @property
    def tokens_max(self) -> int:
        """Longer passages are refused, not cut: a silent cut loses citable text."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised, in input order.

        Raises:
            Misuse: a text over `tokens_max`; the message names its position, never its content.
        """
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Shape (dim,), L2-normalised. Longer questions are cut to `tokens_max`."""
        ...
