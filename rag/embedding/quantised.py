"""A sentence-transformers model in 8-bit integers, made in memory of the verified one and compared with it.

No file is written and none is read: what is checked by digest are the weights that it is made of.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertModel

from rag.domain import digest_of
from rag.embedding.integer_bert import IntegerBert
from rag.embedding.integer_linear import is_supported, slowness
from rag.embedding.lengths import refuse_longer
from rag.embedding.protocol import Embedder
from rag.errors import Misuse

SCHEME = "int8, version 1"
"""Part of the digest: raise it when the same weights would give other vectors."""
PASS_TOKENS = 512
"""Of the texts in one pass; more do not fit into a core's cache and take half as long again, fewer cost more passes."""
COSINE_MIN = 0.98
"""To the vector of the exact model, of each sentence below; all of them were above .99 with the bundled model."""
SLOWNESS_MAX = 4.0
"""Of a product beside the one in full precision: .2 to .4 was measured, 500 where the processor has no fast one."""
_SENTENCES = (
    "Who signed the lease?",
    "What is the notice period of the contract with kavulo tirone, and when does it end?",
    "The invoice of 2024-01-03 over EUR 1,250.00 is due on Friday; reminders cost 5 % from the second one on.",
    "Wer darf das lesen? Nur die Rechtsabteilung.",
    "def total(prices): return sum(price * 1.19 for price in prices)",
    "Payroll\nStaff are entitled to 28 days of paid leave in a year, and to another five days after ten years. " * 8,
)


class QuantisedEmbedder:
    """An `Embedder`. Use `quantise`."""

    def __init__(self, exact: Embedder, bert: IntegerBert, tokenizer: Tokenizer) -> None:
        self.name = f"{exact.name} (int8)"
        self.digest = digest_of([SCHEME, exact.digest]).hex()
        self.dim = exact.dim
        self.tokens_max = exact.tokens_max
        self._bert = bert
        self._tokenizer = tokenizer

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = [self._tokenizer.encode(text).ids for text in texts]
        refuse_longer([len(ids) for ids in encoded], self.tokens_max, self.name)
        if not encoded:
            return np.empty((0, self.dim), dtype=np.float32)
        return np.concatenate([self._bert.embed(texts) for texts in _passes(encoded)])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        ids = self._tokenizer.encode(text).ids
        if len(ids) > self.tokens_max:
            ids = [*ids[: self.tokens_max - 1], ids[-1]]
        vector: NDArray[np.float32] = self._bert.embed([ids])[0]
        return vector


def _passes(texts: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """All texts in order, in passes of `PASS_TOKENS` at most or of one text."""
    held: list[Sequence[int]] = []
    for text in texts:
        if held and sum(map(len, held)) + len(text) > PASS_TOKENS:
            yield held
            held = []
        held.append(text)
    yield held


def quantise(exact: Embedder, model: torch.nn.Module, tokenizer: Tokenizer) -> Embedder:
    """The embedder `exact`, whose network is `model`, in 8-bit integers. `tokenizer` neither pads nor cuts.

    Raises:
        Misuse: this PyTorch cannot, or only slowly; it is no BERT; or its vectors would not be near enough to those of
            `exact`.
    """
    instead = "Set RINGFENCE_EMBEDDING__PRECISION=float32."
    if not is_supported():
        raise Misuse(f"This build of PyTorch has no product of 8-bit integers (oneDNN). {instead}", code="bad_settings")
    if not isinstance(model, BertModel):
        raise Misuse(
            f"{exact.name} is no BERT model, and others are not turned into int8. {instead}", code="bad_settings"
        )
    if (times := slowness(model.encoder.layer[0].intermediate.dense)) > SLOWNESS_MAX:
        raise Misuse(
            f"This build of PyTorch has no fast product of 8-bit integers for this processor: it takes {times:.0f} "
            f"times as long as full precision. {instead}",
            code="bad_settings",
        )
    made = QuantisedEmbedder(exact, IntegerBert(model), tokenizer)
    nearest = (exact.embed_passages(_SENTENCES) * made.embed_passages(_SENTENCES)).sum(axis=1)
    # Another pooling or activation than this forward pass has shows here too. Not `<`: no number is no agreement.
    if not nearest.min() >= COSINE_MIN:
        raise Misuse(
            f"{exact.name} in int8 does not give the vectors that it gives in float32: the cosine of a known sentence "
            f"is {nearest.min():.3f}, below {COSINE_MIN}. {instead}",
            code="bad_settings",
        )
    return made
