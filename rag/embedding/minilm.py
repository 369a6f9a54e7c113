"""The default embedder: all-MiniLM-L6-v2 through sentence-transformers, on the CPU, without any network."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils import logging as transformers_logging

from rag.embedding.lengths import refuse_longer
from rag.embedding.locate import locate
from rag.embedding.manifest import Manifest, loading_options
from rag.embedding.protocol import Embedder
from rag.embedding.quantised import quantise
from rag.settings import EmbeddingSettings


class MiniLM:
    """An `Embedder` over a verified sentence-transformers folder. Use `load_embedder`.

    `count_tokens` counts the two marks that the model adds, as `tokens_max` does.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, batch: int, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)  # one number for the whole process: torch has no other
        transformers_logging.disable_progress_bar()
        self._model = SentenceTransformer(str(folder), **loading_options())
        self._model.eval()
        # The model's own tokenizer changes its padding while it encodes and so cannot be shared by threads;
        # this one is never changed after these two lines.
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._encoding = threading.Lock()
        self._batch = batch
        self._manifest = manifest
        self._tokens_max = int(self._model.max_seq_length)
        self._dim = int(self._model.get_embedding_dimension())

    @property
    def name(self) -> str:
        return self._manifest.name

    @property
    def digest(self) -> str:
        return self._manifest.digest

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def tokens_max(self) -> int:
        return self._tokens_max

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        refuse_longer([self.count_tokens(text) for text in texts], self._tokens_max, self.name)
        return self._encode(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._encode([text])[0]
        return vector

    def quantised(self) -> Embedder:
        """Another embedder: this model in 8-bit integers. Raises as `rag.embedding.quantised.quantise`."""
        return quantise(self, self._model[0].auto_model, self._tokenizer)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self._dim), dtype=np.float32)
        with self._encoding:
            vectors = self._model.encode(
                list(texts),
                batch_size=self._batch,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, dtype=np.float32)


def load_embedder(settings: EmbeddingSettings) -> Embedder:
    """Verify every file of the configured model against its manifest, then load it.

    Raises:
        Damaged: a file is not what the manifest says; nothing was loaded.
        Misuse: an unknown model, a folder without a configured digest, or a precision that the model does not have.
    """
    folder, manifest = locate(settings)
    manifest.verify(folder)
    model = MiniLM(folder, manifest, batch=settings.batch, threads=settings.threads)
    return model.quantised() if settings.precision == "int8" else model
