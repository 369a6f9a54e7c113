"""The bundled embedder: real weights, verified, offline."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rag.embedding import minilm as module
from rag.embedding.locate import locate
from rag.embedding.manifest import FILE_NAME, write_manifest
from rag.embedding.minilm import load_embedder
from rag.embedding.protocol import Embedder
from rag.errors import Damaged, Misuse
from rag.settings import EmbeddingSettings

BUNDLED = EmbeddingSettings()
GOLDEN = {
    "The invoice is due on Friday.": [-0.0691, 0.0667, 0.0231, -0.0513, -0.0876, -0.0178],
    "Wer darf das lesen?": [-0.0425, 0.0095, 0.0033, -0.0782, 0.0597, 0.0139],
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The bundled folder again, file by file; replace a link to change a file."""
    source, manifest = locate(BUNDLED)
    for path in manifest.files:
        target = tmp_path / "model" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source / path)
    return tmp_path / "model"


@pytest.mark.parametrize("text", GOLDEN)
def test_vectors_are_the_known_ones(minilm: Embedder, text: str) -> None:
    """Another model, pooling, normalisation or tokenizer would move them; so would a damaged weight."""
    assert minilm.embed_query(text)[:6] == pytest.approx(GOLDEN[text], abs=2e-4)


def test_passages_come_back_normalised_in_their_order(minilm: Embedder) -> None:
    texts = ["short", "a much longer passage about the yearly report " * 8, "fig", "Thursday", "zebra"] * 3
    vectors = minilm.embed_passages(texts)
    assert (vectors.shape, vectors.dtype) == ((15, minilm.dim), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(15), abs=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert float(vector @ minilm.embed_query(text)) == pytest.approx(1, abs=1e-4)
    assert minilm.embed_passages([]).shape == (0, minilm.dim)


def test_a_passage_has_the_same_vector_whatever_stands_beside_it(minilm: Embedder) -> None:
    short, long = "The lease ends in May.", "The lease of the hall is renewed each year in May. " * 8
    together = minilm.embed_passages([long, short])
    assert np.allclose(together[1], minilm.embed_passages([short])[0], atol=1e-6)
    assert np.allclose(together[0], minilm.embed_passages([long])[0], atol=1e-6)


def test_meaning_is_nearer_than_words(minilm: Embedder) -> None:
    question = minilm.embed_query("How much holiday do employees get?")
    near, far = minilm.embed_passages(["Staff are entitled to 28 days of paid leave.", "How much do servers get hot?"])
    assert question @ near > question @ far


def test_a_passage_longer_than_the_model_reads_is_refused_by_its_position(minilm: Embedder) -> None:
    """A silent cut would lose text that somebody cites. The message must not quote the passage."""
    fits, too_long = "fig " * (minilm.tokens_max - 2), "fig " * (minilm.tokens_max - 1)
    assert minilm.count_tokens(fits) == minilm.tokens_max == 256
    assert minilm.embed_passages([fits]).shape == (1, minilm.dim)
    with pytest.raises(Misuse, match="Passage 1 has 257 tokens") as refusal:
        minilm.embed_passages(["fine", too_long])
    assert "fig" not in str(refusal.value)


def test_a_longer_question_is_cut(minilm: Embedder) -> None:
    cut = minilm.embed_query("fig " * 254)
    assert minilm.embed_query("fig " * 400) == pytest.approx(cut, abs=1e-5)


def test_threads_share_the_model(minilm: Embedder) -> None:
    """The model's tokenizer fails with `Already borrowed` when threads use it unguarded."""
    texts = [f"document number {n} " * (n % 7 + 1) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        vectors = list(pool.map(minilm.embed_query, texts))
        counts = list(pool.map(minilm.count_tokens, texts))
    assert counts == [minilm.count_tokens(text) for text in texts]
    assert np.stack(vectors) == pytest.approx(minilm.embed_passages(texts), abs=1e-4)


def test_loading_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert load_embedder(BUNDLED).embed_query("word").shape == (384,)


@pytest.mark.parametrize("path", ["tokenizer.json", "1_Pooling/config.json", "model.safetensors"])
def test_a_changed_file_is_named_and_nothing_is_loaded(
    copied: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, manifest = locate(BUNDLED)
    manifest.verify(copied)
    (copied / path).unlink()
    (copied / path).write_bytes(b"{}")
    monkeypatch.setattr(module, "locate", lambda _: (copied, manifest))
    monkeypatch.setattr(module, "MiniLM", lambda *_, **__: pytest.fail("a model was loaded"))
    with pytest.raises(Damaged, match=path):
        load_embedder(BUNDLED)


def test_a_missing_and_an_added_file_are_named(copied: Path) -> None:
    _, manifest = locate(BUNDLED)
    (copied / "extra.bin").write_bytes(b"pickle")
    with pytest.raises(Damaged, match=r"extra\.bin"):
        manifest.verify(copied)
    (copied / "extra.bin").unlink()
    (copied / "vocab.txt").unlink()
    with pytest.raises(Damaged, match=r"vocab\.txt"):
        manifest.verify(copied)


def test_a_configured_folder_is_loaded_once_its_digest_is_given(copied: Path) -> None:
    digest = write_manifest(copied, "our model")
    embedder = load_embedder(EmbeddingSettings(model=str(copied), sha256=digest))
    assert embedder.name == "our model"
    assert embedder.embed_query("fig") == pytest.approx(load_embedder(BUNDLED).embed_query("fig"), abs=1e-5)
    assert embedder.digest == load_embedder(BUNDLED).digest


def test_a_configured_folder_without_its_digest_or_with_another_is_refused(copied: Path) -> None:
    with pytest.raises(Misuse, match="SHA256"):
        load_embedder(EmbeddingSettings(model=str(copied)))
    with pytest.raises(Misuse, match=FILE_NAME):
        load_embedder(EmbeddingSettings(model=str(copied), sha256="0" * 64))
    write_manifest(copied, "our model")
    with pytest.raises(Damaged, match=FILE_NAME):
        load_embedder(EmbeddingSettings(model=str(copied), sha256="0" * 64))
    with pytest.raises(Misuse, match="neither"):
        load_embedder(EmbeddingSettings(model="no-such-model"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "code.py", "weights.pkl"])
def test_files_that_may_run_code_are_not_accepted_into_a_manifest(copied: Path, name: str) -> None:
    (copied / name).write_bytes(b"")
    with pytest.raises(Damaged, match=name):
        write_manifest(copied, "our model")


def test_a_folder_without_safetensors_is_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    with pytest.raises(Damaged, match="safetensors"):
        write_manifest(copied, "our model")
