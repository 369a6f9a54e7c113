"""BM25 weights of a text, by the vector engine's own model. No files, no network.

Only the part that depends on the text is computed here. How rare a word is, the engine counts at query time,
over the chunks that the plan admits.
"""

import numpy as np
import qdrant_edge as edge

from rag.domain import SparseVector, digest_of

_AVERAGE_WORDS = 80.0
"""Fixed, not measured, so that a weight never depends on other documents: about what remains of a chunk of 200
tokens without the stop words."""

_PROBE = "The running invoices of kavulo 3F9A2C, 2024-01-03: Zürich's e-mails."


class LexicalEncoder:
    """Text (the index face) to term ids and weights. Safe to call from several threads."""

    def __init__(self) -> None:
        # The language sets the engine's built-in stop words and Snowball stemmer.
        config = edge.Bm25Config(
            k=1.2, b=0.75, avg_len=_AVERAGE_WORDS, language="english", lowercase=True, ascii_folding=True
        )
        self._model = edge.Bm25(config)
        probe = self.encode_passage(_PROBE)
        self.digest: str = digest_of([probe.indices.tobytes(), probe.values.tobytes()]).hex()
        """Changes when the tokenizer, the stemmer, the term ids or the weights do."""

    def encode_passage(self, text: str) -> SparseVector:
        return _sorted(self._model.embed_document(text))

    def encode_query(self, text: str) -> SparseVector:
        """Every distinct term once, with weight 1."""
        return _sorted(self._model.embed_query(text))


def _sorted(vector: edge.SparseVector) -> SparseVector:
    indices = np.asarray(vector.indices, dtype=np.uint32)
    values = np.asarray(vector.values, dtype=np.float32)
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
