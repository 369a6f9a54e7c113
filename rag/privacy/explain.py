"""Why a value is masked: who found it, with which score, what stands around it.

What is masked is asked of the tenant's privacy itself. Who found it is asked of each part alone, on the same text: a
part that says something about the same characters is named, whether or not the others would have sufficed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from presidio_analyzer import EntityRecognizer

from rag.privacy.fields import FieldFinder
from rag.privacy.findings import Finding
from rag.privacy.guesses import NameModel, load_model
from rag.privacy.lexicon import load_lexicon
from rag.privacy.model import model_folder
from rag.privacy.patterns import pattern_recognizers
from rag.privacy.people import PeopleFinder
from rag.privacy.pieces import pieces
from rag.privacy.tagger import load_tagger
from rag.privacy.tenant import TenantPrivacy
from rag.settings import PrivacySettings

CONTEXT_CHARS = 60
TEXT_CHARS_MAX = 200_000
RULES = "rules of names and addresses"
PROPAGATED = "propagated"
_WORD = re.compile(r"[^\W\d_]{2,}")

Witness = Callable[[str], Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one part says about some characters. `entity` is its own name for the kind."""

    by: str
    entity: str
    score: float


@dataclass(frozen=True, slots=True)
class Explained:
    """A span that is masked, and why."""

    finding: Finding
    found_by: tuple[Testimony, ...]
    propagated: bool
    """Only because the same stands elsewhere in the text."""
    context: tuple[str, ...] = field(repr=False)
    """Words nearby that the recognizers know as hints."""
    before: str = field(repr=False)
    after: str = field(repr=False)


class Explainer:
    """Loads the parts once (seconds); safe for one thread."""

    def __init__(self, settings: PrivacySettings) -> None:
        folder = model_folder()
        recognizers = list(pattern_recognizers(settings))
        self._witnesses: list[tuple[str, Witness]] = [
            (recognizer.name, _of_recognizer(recognizer, settings.score_threshold)) for recognizer in recognizers
        ]
        fields = FieldFinder(PeopleFinder(load_lexicon(folder)))
        self._witnesses.append(
            ("label or column", lambda text: [Finding(f.start, f.end, f.entity, 0.9) for f in fields.find(text)])
        )
        model = NameModel(load_model(folder))
        self._witnesses.append(
            ("spaCy", lambda text: [Finding(g.start, g.end, g.label, 0.85) for g in model.guess([text])[0]])
        )
        if settings.profile == "accurate":
            tagger = load_tagger()
            self._witnesses.append(
                ("Rampart", lambda text: [Finding(t.start, t.end, t.entity, t.score) for t in tagger.tag(text)])
            )
        self._hints = frozenset(
            word.casefold() for one in recognizers for phrase in (one.context or ()) for word in _WORD.findall(phrase)
        )

    def explain(self, text: str, privacy: TenantPrivacy) -> list[Explained]:
        """Every span of the text that is masked, in order.

        Raises:
            NotAnalysed: a part of the search failed.
        """
        first = privacy.find([text], everywhere=False)[0]
        said = [*self._said(text), *self._said_by_tenant(text, privacy)]
        return [self._explained(text, finding, first, said) for finding in privacy.find([text])[0]]

    def _said(self, text: str) -> Iterator[tuple[str, Finding]]:
        for piece in pieces(0, text):
            for name, witness in self._witnesses:
                for one in witness(piece.text):
                    start, end = one.start + piece.offset, one.end + piece.offset
                    yield name, Finding(start, end, one.entity, one.score)

    def _said_by_tenant(self, text: str, privacy: TenantPrivacy) -> Iterator[tuple[str, Finding]]:
        sources = privacy.rules.sources
        named: tuple[tuple[str, Witness], ...] = (
            ("directory", sources.directory.find),
            ("configured value", sources.always.find),
            ("configured pattern", sources.patterns.find),
        )
        for name, find in named:
            yield from ((name, one) for one in find(text))

    def _explained(
        self, text: str, finding: Finding, first: Sequence[Finding], said: Sequence[tuple[str, Finding]]
    ) -> Explained:
        by = dict.fromkeys(
            Testimony(name, one.entity, round(one.score, 3))
            for name, one in said
            if one.start < finding.end and finding.start < one.end
        )
        propagated = not any(one.start < finding.end and finding.start < one.end for one in first)
        if not by:
            name = PROPAGATED if propagated else RULES
            by = {
                Testimony("tokens' shape" if finding.entity == "LITERAL" else name, finding.entity, finding.score): None
            }
        before = text[max(0, finding.start - CONTEXT_CHARS) : finding.start]
        after = text[finding.end : finding.end + CONTEXT_CHARS]
        near = (word for word in _WORD.findall(f"{before} {after}") if word.casefold() in self._hints)
        return Explained(finding, tuple(by), propagated, tuple(dict.fromkeys(near)), before, after)


def _of_recognizer(recognizer: EntityRecognizer, threshold: float) -> Witness:
    def find(text: str) -> list[Finding]:
        found = recognizer.analyze(text, recognizer.supported_entities, None)
        return [Finding(one.start, one.end, one.entity_type, one.score) for one in found if one.score >= threshold]

    return find
