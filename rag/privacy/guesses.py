"""What the spaCy model takes for people, places and organisations: its entity part only, in batches."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language
from thinc.api import use_ops
from threadpoolctl import ThreadpoolController

from rag.privacy.pieces import titled, without_long_runs

BATCH = 64
_PLACES = frozenset({"GPE", "LOC", "FAC"})


@dataclass(frozen=True, slots=True)
class Guess:
    """Characters `start` to `end` are a PERSON, a PLACE or an ORG."""

    start: int
    end: int
    label: str


class NameModel:
    """The model behind a lock: it keeps state while it runs."""

    def __init__(self, model: Language) -> None:
        self._model = model
        self._lock = threading.Lock()
        # For products this small, threads of numpy's cost more time than they save.
        self._algebra = ThreadpoolController()

    def guess(self, texts: Sequence[str]) -> list[list[Guess]]:
        """The guesses in each text. Text in one case is shown to it as a title as well."""
        texts = [without_long_runs(text) for text in texts]
        shown = [(number, 0, text) for number, text in enumerate(texts) if text.strip()]
        shown += [(number, offset, line) for number, text in enumerate(texts) for offset, line in titled(text)]
        guesses: list[list[Guess]] = [[] for _ in texts]
        # The memory zone drops the words that it saw, which may be values.
        with self._lock, self._algebra.limit(limits=1, user_api="blas"), self._model.memory_zone():
            documents = self._model.pipe((text for _, _, text in shown), batch_size=BATCH)
            for document, (number, offset, _) in zip(documents, shown, strict=True):
                for span in document.ents:
                    label = "PLACE" if span.label_ in _PLACES else span.label_
                    if label in {"PERSON", "PLACE", "ORG"}:
                        guesses[number].append(Guess(span.start_char + offset, span.end_char + offset, label))
        return guesses


def load_model(folder: Path) -> Language:
    """The named-entity part of a verified model: the tagger, parser and lemmatizer are not needed here."""
    unused = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
    # numpy multiplies twice as fast as the BLIS that spaCy brings: that is built without the processor's vectors.
    with use_ops("numpy", use_blis=False):
        model: Language = spacy.load(folder, exclude=unused)
    return model
