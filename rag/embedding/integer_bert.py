"""BERT with its matrix products in 8-bit integers: the forward pass of a loaded model, without padding.

Texts of one pass stand one behind the other, and every number of a text is made from that text alone: each token has a
scale of its own, integer sums are exact, and attention is computed text by text. So a text has the same vector, bit for
bit, whatever is embedded with it. Padded batches, or one scale for a whole matrix, would not give that.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer

from rag.embedding.integer_linear import IntegerLinear

_ROWS = 128
"""Tokens at once where they are widest: all that is made of them stays in a core's cache."""
_STEP = 32
"""The number of tokens of a pass is a multiple of this: the first product of each size costs as much as forty more."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """`attention` gives queries, keys and values side by side."""

    attention: IntegerLinear
    attended: IntegerLinear
    attended_norm: torch.nn.Module
    widened: IntegerLinear
    narrowed: IntegerLinear
    narrowed_norm: torch.nn.Module


class IntegerBert:
    """A `BertModel` with mean pooling. Its weights are copied; safe to call from several threads."""

    def __init__(self, model: BertModel) -> None:
        # The scales need full precision, also where the weights are stored in half of it.
        model = deepcopy(model).float()
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        kind = embeddings.token_type_embeddings.weight.detach()[0]
        self._places = embeddings.position_embeddings.weight.detach() + kind
        self._norm = embeddings.LayerNorm
        self._heads = model.config.num_attention_heads
        self._layers = [_layer(layer) for layer in model.encoder.layer]

    def embed(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Token ids, with the marks around them, to vectors: shape (texts, dim), rows L2-normalised."""
        # Filled up by one more text, of which nothing is kept.
        texts = [*texts, [0] * (_STEP - sum(map(len, texts)) % _STEP)]
        lengths = [len(ids) for ids in texts]
        with torch.inference_mode():
            ids = torch.tensor([number for text in texts for number in text])
            places = torch.cat([torch.arange(length) for length in lengths])
            rows: Tensor = self._norm(self._words[ids] + self._places[places])
            for layer in self._layers:
                seen = torch.cat([self._attention(part) for part in layer.attention(rows).split(lengths)])
                rows = layer.attended_norm(layer.attended(seen) + rows)
                rows = torch.cat([_fed_forward(layer, some) for some in rows.split(_ROWS)])
            means = torch.stack([part.mean(0) for part in rows.split(lengths)[:-1]])
            vectors: NDArray[np.float32] = functional.normalize(means, dim=1).numpy()
        return vectors

    def _attention(self, part: Tensor) -> Tensor:
        """Queries, keys and values of one text to what its tokens take from each other; shape (tokens, width)."""
        tokens = part.shape[0]
        query, key, value = part.view(1, tokens, 3, self._heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(query, key, value)
        return seen.transpose(1, 2).reshape(tokens, -1)


def _fed_forward(layer: _Layer, rows: Tensor) -> Tensor:
    """The second half of a layer: each row for itself."""
    wide = layer.widened(rows)
    fed: Tensor = layer.narrowed_norm(layer.narrowed(functional.gelu(wide)) + rows)
    return fed


def _layer(layer: BertLayer) -> _Layer:
    attention, output = layer.attention.self, layer.attention.output
    return _Layer(
        attention=IntegerLinear(attention.query, attention.key, attention.value),
        attended=IntegerLinear(output.dense),
        attended_norm=output.LayerNorm,
        widened=IntegerLinear(layer.intermediate.dense),
        narrowed=IntegerLinear(layer.output.dense),
        narrowed_norm=layer.output.LayerNorm,
    )
