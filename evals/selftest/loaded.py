"""Models that are loaded once for all runs of the self-test, and texts that are embedded once: it saves most time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from evals.remembering import RememberingEmbedder
from rag.embedding.minilm import load_embedder
from rag.embedding.protocol import Embedder
from rag.privacy.recognize import Recognizer, load_recognizer
from rag.settings import EmbeddingSettings, PrivacySettings

_EMBEDDERS = (
    "evals.running.load_embedder",
    "evals.company.load_embedder",
    "evals.ingest.ours.load_embedder",
    "ingestion.commands.ingesting.load_embedder",
    "rag.api.composition.load_embedder",
)
_RECOGNIZERS = (
    "evals.running.load_recognizer",
    "evals.ingest.ours.load_recognizer",
    "evals.privacy.finding.load_recognizer",
    "rag.privacy.tenant.load_recognizer",
)


@contextmanager
def loaded_once() -> Iterator[None]:
    """Whoever loads a model meanwhile, by the same settings, is given the one that was loaded first."""
    embedders: dict[str, Embedder] = {}
    recognizers: dict[str, Recognizer] = {}

    def embedder(settings: EmbeddingSettings) -> Embedder:
        key = settings.model_dump_json(exclude={"threads"})
        if key not in embedders:
            embedders[key] = RememberingEmbedder(load_embedder(settings))
        return embedders[key]

    def recognizer(settings: PrivacySettings) -> Recognizer:
        key = settings.model_dump_json()
        if key not in recognizers:
            recognizers[key] = load_recognizer(settings)
        return recognizers[key]

    with ExitStack() as stack:
        for name in _EMBEDDERS:
            stack.enter_context(patch(name, embedder))
        for name in _RECOGNIZERS:
            stack.enter_context(patch(name, recognizer))
        yield
