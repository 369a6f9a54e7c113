"""Opening what documents are read and embedded with, as the settings say. Whoever prepares documents needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingestion.parse.ocr import open_parser
from ingestion.parts import Tools
from rag.embedding.minilm import load_embedder
from rag.index.lexical import LexicalEncoder
from rag.privacy.recognize import Recognizer
from rag.settings import Settings


@contextmanager
def open_tools(settings: Settings, recognizer: Recognizer) -> Iterator[Tools]:
    """Load the models (seconds). Parser processes end with it.

    Raises:
        Misuse: what the settings name is not installed, or settings are missing for it.
        Damaged: a model's file is not what its manifest says.
    """
    with open_parser(settings.ingestion) as parser:
        yield Tools(
            masking_digest=recognizer.digest
            + settings.privacy.model_dump_json(exclude={"master_key", "master_key_file"}),
            parser=parser,
            embedder=load_embedder(settings.embedding),
            lexical=LexicalEncoder(),
            settings=settings.ingestion,
        )
