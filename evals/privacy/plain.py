"""Presidio as it comes, with the spaCy model that we use too: what our finding is compared with."""

import logging
from pathlib import Path

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

from evals.privacy.scoring import Span, merged

LEFT_OUT = frozenset({"DATE_TIME", "NRP", "ORGANIZATION"})
"""Kinds that Presidio finds and that are no direct identifiers."""


class PlainPresidio:
    """`AnalyzerEngine.analyze` with default recognizers and settings, one text at a time."""

    def __init__(self, model: Path) -> None:
        logging.getLogger("presidio-analyzer").disabled = True
        # Presidio looks for the list of public suffixes in the network, once, and complains where there is none.
        logging.getLogger("tldextract").disabled = True
        # Presidio would download a model by its name; this one is given to it loaded.
        names = NerModelConfiguration(labels_to_ignore={"ORGANIZATION", "ORG"})
        engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "given"}], ner_model_configuration=names)
        engine.nlp = {"en": spacy.load(model)}
        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
        self._engine = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def results(self, text: str) -> list[RecognizerResult]:
        """What it would mask, as its anonymizer takes it."""
        return [result for result in self._engine.analyze(text, "en") if result.entity_type not in LEFT_OUT]

    def spans(self, text: str) -> tuple[Span, ...]:
        """What it would mask."""
        return merged((result.start, result.end) for result in self.results(text))
