"""The straightforward way: what the usual tutorial puts together of LlamaIndex, Presidio and sentence-transformers.

`SimpleDirectoryReader` reads the folder; an `IngestionPipeline` masks each document by Presidio's analyzer and
anonymizer as they come, splits it by `SentenceSplitter` and embeds it by `SentenceTransformer.encode`. Chunks have the
length that the embedder reads: LlamaIndex's default is four times as long, and three quarters would not be embedded.
Its vectors stay in memory, so that nothing is spent on storing them.
"""

import os
import resource
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llama_index.core import SimpleDirectoryReader
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, MetadataMode, TransformComponent
from presidio_anonymizer import AnonymizerEngine
from sentence_transformers import SentenceTransformer

from evals.ingest.corpus import Corpus
from evals.ingest.way import DEPTH, Judged, Round
from evals.privacy.plain import PlainPresidio
from rag.embedding.locate import locate
from rag.privacy.model import model_folder
from rag.settings import EmbeddingSettings

CHUNK_TOKENS = 256
OVERLAP_TOKENS = 20


class Masking(TransformComponent):  # type: ignore[misc] # LlamaIndex's types are not followed
    """Presidio, one document at a time."""

    _presidio: PlainPresidio = PrivateAttr()
    _anonymizer: AnonymizerEngine = PrivateAttr()
    _taken: defaultdict[str, float] = PrivateAttr()

    def __init__(self, taken: defaultdict[str, float]) -> None:
        super().__init__()
        self._presidio = PlainPresidio(model_folder())
        self._anonymizer = AnonymizerEngine()
        self._taken = taken

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        started = time.perf_counter()
        for node in nodes:
            text = node.get_content(MetadataMode.NONE)
            # In place: a new node would forget which of its metadata is not to be embedded.
            node.set_content(self._anonymizer.anonymize(text, self._presidio.results(text)).text)
        self._taken["mask"] += time.perf_counter() - started
        return list(nodes)


class Embedding(BaseEmbedding):  # type: ignore[misc] # as above
    """sentence-transformers with its defaults."""

    _model: SentenceTransformer = PrivateAttr()
    _taken: defaultdict[str, float] = PrivateAttr()

    def __init__(self, taken: defaultdict[str, float]) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2", embed_batch_size=32)
        folder, _ = locate(EmbeddingSettings())
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self._taken = taken

    @property
    def tokens_max(self) -> int:
        """Of a longer text the rest is not read."""
        return int(self._model.max_seq_length)

    def tokens(self, text: str) -> int:
        """With the two marks around it."""
        return len(self._model.tokenizer(text, verbose=False)["input_ids"])

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        started = time.perf_counter()
        vectors = self._model.encode(texts, show_progress_bar=False, normalize_embeddings=True)
        self._taken["embed"] += time.perf_counter() - started
        made: list[list[float]] = vectors.tolist()
        return made

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class PlainWay:
    """See the module."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._taken: defaultdict[str, float] = defaultdict(float)
        self._embedding = Embedding(self._taken)
        splitter = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS)
        self._pipeline = IngestionPipeline(
            transformations=[Masking(self._taken), splitter, self._embedding], disable_cache=True
        )
        self._pipeline.run(documents=[Document(text="Ann Lee (ann@lee.example) wrote this. " * 50)])
        self._nodes: list[BaseNode] = []
        self._root = Path()

    def run(self, folder: Path, scratch: Path) -> Round:
        self._taken.clear()
        self._root = folder.resolve()
        wall, cpu = time.perf_counter(), time.process_time()
        documents = SimpleDirectoryReader(
            str(folder), recursive=True, exclude=["ringfence.yaml"], filename_as_id=True
        ).load_data()
        read = time.perf_counter() - wall
        self._nodes = list(self._pipeline.run(documents=documents))
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        stages = {"read": read, "mask": self._taken["mask"], "embed": self._taken["embed"]}
        return Round(wall_s, cpu_s, len(documents), len(self._nodes), stages)

    def judge(self, corpus: Corpus) -> Judged:
        paths = [os.path.relpath(node.metadata["file_path"], self._root) for node in self._nodes]
        kept: dict[str, list[str]] = defaultdict(list)
        for path, node in zip(paths, self._nodes, strict=True):
            kept[path].append(node.get_content(MetadataMode.NONE))
        vectors = np.array([node.embedding for node in self._nodes], dtype=np.float32)
        found = []
        for question in corpus.questions:
            asked = np.array(self._embedding.get_query_embedding(question.text), dtype=np.float32)
            order = np.argsort(-(vectors @ asked), kind="stable")
            found.append(list(dict.fromkeys(paths[at] for at in order))[:DEPTH])
        longest = self._embedding.tokens_max
        tokens = (self._embedding.tokens(node.get_content(MetadataMode.EMBED)) for node in self._nodes)
        read = sum(min(number, longest) for number in tokens)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Judged(found, {path: "\n".join(texts) for path, texts in kept.items()}, peak_mb, read)
