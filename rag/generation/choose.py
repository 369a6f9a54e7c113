"""Which generator the settings ask for."""

from rag.generation.extractive import ExtractiveGenerator
from rag.generation.local import LocalGenerator
from rag.generation.openai_compatible import OpenAIGenerator
from rag.generation.protocol import Generator, SentenceSimilarity
from rag.settings import GeneratorSettings


def open_generator(settings: GeneratorSettings, similarity: SentenceSimilarity) -> Generator:
    """Open the configured generator; `similarity` is for the extractive one. Loading a local model takes seconds.

    Raises:
        Misuse: a setting or an optional package that the chosen kind needs is missing.
        Damaged: the local model's weights are not the known ones.
    """
    if settings.kind == "openai":
        return OpenAIGenerator(settings)
    if settings.kind == "local":
        return LocalGenerator()
    return ExtractiveGenerator(similarity, settings.answer_threshold)
