"""In which of 256 cells of the embedding space a text lies: all that is kept of an embedding, to see from it whether
what is asked and written changes.

A cell says on which side of eight planes an embedding lies. The planes are random, through the origin, and follow from
a key of the tenant: to whoever has not the key the bits mean nothing, and the same text has other ones in another
tenant. With the key they are eight signs of projections of hundreds of coordinates: they lead to no text and no
embedding, only to one of 256 parts of the space. The record of a question, where they stand, tells more already: by its
keyed digest one sees which questions are equal.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rag.privacy.keys import keyed_digest

PLANES = 8
PURPOSE = "planes of cells"


def planes_seed(digest_key: bytes) -> bytes:
    """What the tenant's planes follow from."""
    return keyed_digest(digest_key, PURPOSE)


@lru_cache(maxsize=64)
def planes_of(seed: bytes, dim: int) -> NDArray[np.float32]:
    """Normals of the planes, shape (dim, PLANES). The same for the same seed, on every machine."""
    words = np.frombuffer(seed[:16], dtype="<u8")
    random = np.random.Generator(np.random.Philox(key=words))
    return random.standard_normal((dim, PLANES)).astype(np.float32)


def sides_of(embeddings: NDArray[np.float32], seed: bytes) -> NDArray[np.bool_]:
    """On which side of each plane embeddings of shape (n, dim) lie: shape (n, PLANES)."""
    sides: NDArray[np.bool_] = embeddings @ planes_of(seed, embeddings.shape[1]) > 0
    return sides


def cell_of(embedding: NDArray[np.float32], seed: bytes) -> int:
    """The cell of one embedding, 0 to 255; bit `n` is its side of plane `n`."""
    return int(np.packbits(sides_of(embedding[None, :], seed)[0], bitorder="little")[0])
