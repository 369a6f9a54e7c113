"""The bundled model in 8-bit integers, beside itself in full precision."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from rag.embedding.integer_linear import IntegerLinear
from rag.embedding.minilm import MiniLM, load_embedder
from rag.embedding.others import named_in
from rag.embedding.protocol import Embedder
from rag.embedding.quantised import COSINE_MIN, QuantisedEmbedder, quantise
from rag.errors import Misuse
from rag.settings import EmbeddingSettings

INT8 = EmbeddingSettings(precision="int8")
TEXTS = [
    "The lease ends in May.",
    "The lease of the hall is renewed each year in May. " * 18,
    "fig",
    "",
    "Wer darf das lesen?",
    "Invoice 2024-17 over EUR 1,250.00 is due on Friday. " * 11,
    "kavulo tirone asked for twelve days of leave.",
]
PRODUCT = """
import torch
from rag.embedding.integer_linear import IntegerLinear
torch.manual_seed(7)
layer, rows = torch.nn.Linear(384, 64), torch.randn(5, 384)
layer.weight.data[0], layer.weight.data[1], rows[0], rows[1] = 1.0, -1.0, 1.0, -1.0
print(IntegerLinear(layer)(rows).numpy().tobytes().hex())
"""


@pytest.fixture(scope="module")
def quantised() -> Embedder:
    return load_embedder(INT8)


def test_vectors_are_near_those_of_full_precision(minilm: Embedder, quantised: Embedder) -> None:
    vectors = quantised.embed_passages(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), minilm.dim), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    likeness = (vectors * minilm.embed_passages(TEXTS)).sum(axis=1)
    assert min(one for one, text in zip(likeness, TEXTS, strict=True) if text) > 0.985
    assert quantised.embed_passages([]).shape == (0, minilm.dim)


def test_a_text_has_the_same_vector_bit_for_bit_whatever_is_embedded_with_it(quantised: Embedder) -> None:
    """Run again, a document gives the same points; and a question equals the passage that says the same."""
    together = quantised.embed_passages(TEXTS)
    assert np.array_equal(together, quantised.embed_passages(TEXTS[::-1])[::-1])
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(quantised.embed_query, TEXTS))
    assert np.array_equal(together, np.stack(alone))


def test_it_is_another_embedder_than_the_one_it_is_made_of(minilm: Embedder, quantised: Embedder) -> None:
    """By its digest an index knows it, by the precision it names it can be loaded again."""
    assert isinstance(quantised, QuantisedEmbedder)
    assert (quantised.dim, quantised.tokens_max) == (minilm.dim, minilm.tokens_max)
    assert quantised.name != minilm.name
    assert quantised.digest != minilm.digest
    assert named_in(INT8)["precision"] == "int8"


def test_a_passage_longer_than_the_model_reads_is_refused_by_its_position(quantised: Embedder) -> None:
    fits, too_long = "fig " * (quantised.tokens_max - 2), "fig " * (quantised.tokens_max - 1)
    assert quantised.count_tokens(fits) == quantised.tokens_max
    assert quantised.embed_passages([fits]).shape == (1, quantised.dim)
    with pytest.raises(Misuse, match=r"Passage 1 has 257 tokens; all-MiniLM-L6-v2 \(int8\)") as refusal:
        quantised.embed_passages(["fine", too_long])
    assert "fig" not in str(refusal.value)


def test_a_longer_question_is_cut(quantised: Embedder) -> None:
    assert np.array_equal(quantised.embed_query("fig " * 400), quantised.embed_query("fig " * 254))


def test_a_model_that_would_give_other_vectors_is_refused(minilm: MiniLM) -> None:
    """The twin is the fixture above: the model's own network is taken."""
    tokenizer = minilm._tokenizer
    other = BertModel(BertConfig(hidden_size=384, num_hidden_layers=1, num_attention_heads=12, intermediate_size=64))
    with pytest.raises(Misuse, match=f"below {COSINE_MIN}. Set RINGFENCE_EMBEDDING__PRECISION=float32"):
        quantise(minilm, other, tokenizer)
    with pytest.raises(Misuse, match=r"no BERT model.* RINGFENCE_EMBEDDING__PRECISION=float32"):
        quantise(minilm, torch.nn.Linear(3, 3), tokenizer)


def test_a_build_of_pytorch_without_the_product_is_refused(minilm: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(Misuse, match=r"oneDNN.* RINGFENCE_EMBEDDING__PRECISION=float32"):
        minilm.quantised()


def test_a_processor_without_a_fast_product_is_refused(minilm: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one was that multiplied signed integers one by one: ingesting would have taken days, and said nothing."""
    product = IntegerLinear.__call__

    def slow(layer: IntegerLinear, rows: torch.Tensor) -> torch.Tensor:
        return [product(layer, rows) for _ in range(100)][-1]

    monkeypatch.setattr(IntegerLinear, "__call__", slow)
    with pytest.raises(Misuse, match=r"no fast product.* times as long.* RINGFENCE_EMBEDDING__PRECISION=float32"):
        minilm.quantised()


def test_the_largest_integers_overflow_on_no_processor() -> None:
    """oneDNN is held to what processors without VNNI have, where sums of 8-bit products saturate."""
    torch.manual_seed(7)
    layer, rows = torch.nn.Linear(384, 64), torch.randn(5, 384)
    layer.weight.data[0], layer.weight.data[1], rows[0], rows[1] = 1.0, -1.0, 1.0, -1.0
    with torch.inference_mode():
        here = IntegerLinear(layer)(rows)
        assert here.numpy() == pytest.approx(layer(rows).numpy(), abs=0.1)
    older = subprocess.run(
        [sys.executable, "-c", PRODUCT],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert older.stdout.strip() == here.numpy().tobytes().hex()
