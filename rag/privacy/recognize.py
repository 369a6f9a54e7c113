"""Finding personal data: two models, patterns and rules side by side, in batches, without any download.

What any of them finds is found. One `Recognizer` is loaded once per process (it takes seconds) and shared by threads.
What it returns are positions, never values.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from importlib import resources
from pathlib import Path

from presidio_analyzer import EntityRecognizer

from rag.domain import digest_of
from rag.privacy.addresses import Part, assemble
from rag.privacy.cues import CueFinder
from rag.privacy.evidence import needless
from rag.privacy.fields import FieldFinder
from rag.privacy.findings import Finding, KnownValues, NotAnalysed, resolve_overlaps
from rag.privacy.forms import TOKEN_SHAPE
from rag.privacy.guesses import Guess, NameModel, load_model
from rag.privacy.lexicon import Lexicon, load_lexicon
from rag.privacy.model import model_folder, verify
from rag.privacy.patterns import pattern_recognizers
from rag.privacy.people import PeopleFinder
from rag.privacy.pieces import Piece, is_one_case, pieces, rows
from rag.privacy.places import PlaceFinder
from rag.privacy.tagger import MANIFEST as RAMPART_MANIFEST
from rag.privacy.tagger import Tag, Tagger, load_tagger
from rag.privacy.weighing import TagWeigher
from rag.settings import PrivacySettings

__all__ = ["GUESS_SCORE", "Finding", "KnownValues", "NotAnalysed", "Recognizer", "load_recognizer", "resolve_overlaps"]

GUESS_SCORE = 0.85
"""Of a name that only the model sees; its own scores say nothing."""
_TAGGED_FORMS = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "ID_NUMBER"})


class Recognizer:
    """Finds personal data in many texts. Safe to call from several threads."""

    def __init__(
        self,
        model: NameModel,
        tagger: Tagger | None,
        recognizers: Sequence[EntityRecognizer],
        lexicon: Lexicon,
        digest: str,
        settings: PrivacySettings,
    ) -> None:
        self._model = model
        self._tagger = tagger
        self._recognizers = tuple(recognizers)
        self._people = PeopleFinder(lexicon)
        self._cues = CueFinder(lexicon, self._people)
        self._places = PlaceFinder(lexicon)
        self._fields = FieldFinder(self._people)
        self._weigher = TagWeigher(lexicon, self._people)
        self._threshold = settings.score_threshold
        self._left = frozenset(settings.leave)
        self.lexicon = lexicon
        self.digest = digest
        """Of the models' files, the settings and our rules: part of what a masked text was made by."""

    def find(
        self, texts: Sequence[str], known: KnownValues | None = None, leave: Collection[str] | None = None
    ) -> list[list[Finding]]:
        """For each text its findings, not overlapping and in order.

        `known` are values to be found besides; `leave` are the kinds to be left alone (default: those of the settings).

        Raises:
            NotAnalysed: a part of the search failed; no text of the batch may be used.
        """
        left = self._left if leave is None else frozenset(leave)
        cut = [piece for number, text in enumerate(texts) for piece in pieces(number, text)]
        found: list[list[Finding]] = [[] for _ in texts]
        try:
            guessed = self._model.guess([piece.text for piece in cut])
            for piece, guesses in zip(cut, guessed, strict=True):
                found[piece.text_number] += self._in_piece(piece, guesses)
            for text, findings in zip(texts, found, strict=True):
                findings += known.find(text) if known else ()
        except Exception as cause:  # noqa: BLE001 - whatever a library raises, with whatever text in its message
            raise NotAnalysed("a recognizer", type(cause).__name__) from None
        for text, findings in zip(texts, found, strict=True):
            # On the whole text: no cut between two pieces may let a forged token through.
            findings += (Finding(m.start(), m.end(), "LITERAL", 1.0) for m in TOKEN_SHAPE.finditer(text))
        return [
            resolve_overlaps(text, [finding for finding in findings if finding.entity not in left])
            for text, findings in zip(texts, found, strict=True)
        ]

    def _in_piece(self, piece: Piece, guesses: Sequence[Guess]) -> Iterator[Finding]:
        for finding in self._of_text(piece.text, guesses):
            yield Finding(finding.start + piece.offset, finding.end + piece.offset, finding.entity, finding.score)

    def _of_text(self, text: str, guesses: Sequence[Guess]) -> Iterator[Finding]:
        forms = list(self._forms(text))
        yield from forms
        fields = [Finding(field.start, field.end, field.entity, 0.9) for field in self._fields.find(text)]
        yield from fields
        mails = [(finding.start, finding.end) for finding in forms if finding.entity == "EMAIL_ADDRESS"]
        names = list(self._names(text, guesses, mails))
        tags = self._tags(text, guesses, [*fields, *names])
        names += self._tagged(text, tags, guesses)
        yield from names
        people = {(finding.start, finding.end) for finding in names if finding.entity == "PERSON"}
        others = [(guess.start, guess.end) for guess in guesses if guess.label == "PLACE"]
        for start, end in self._people.from_enumerations(text, people, others):
            yield Finding(start, end, "PERSON", 0.7)
        parts = [Part(f.start, f.end, sure=True, score=f.score) for f in (*forms, *fields) if f.entity == "LOCATION"]
        parts += self._places.parts(text, guesses)
        for one_case in (False, True):
            parts += self._weigher.parts(text, _of_case(text, tags, one_case), one_case=one_case)
        for address in assemble(text, parts):
            yield Finding(address.start, address.end, address.entity, address.score)

    def _tags(self, text: str, guesses: Sequence[Guess], known: Sequence[Finding]) -> list[Tag]:
        """What the tagger says of the prose, where something may be left to find."""
        if self._tagger is None:
            return []
        places = ((guess.start, guess.end) for guess in guesses if guess.label == "PLACE")
        spans = (*((finding.start, finding.end) for finding in known), *places)
        table = rows(text)
        tags = self._tagger.tag(text, needless(text, spans, self.lexicon))
        return [tag for tag in tags if not any(first <= tag.start < last for first, last in table)]

    def _forms(self, text: str) -> Iterator[Finding]:
        for recognizer in self._recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities, None):
                if result.score >= self._threshold:
                    yield Finding(result.start, result.end, result.entity_type, result.score)

    def _names(self, text: str, guesses: Sequence[Guess], mails: Sequence[tuple[int, int]]) -> Iterator[Finding]:
        for guess in guesses:
            if guess.label == "PERSON":
                for start, end in self._people.from_guess(text, guess.start, guess.end):
                    yield Finding(start, end, "PERSON", GUESS_SCORE)
        for start, end in (*self._cues.names(text, mails), *self._people.from_given_names(text)):
            yield Finding(start, end, "PERSON", 0.8)
        for start, end in self._cues.titles(text):
            yield Finding(start, end, "TITLE", 0.8)

    def _tagged(self, text: str, tags: Sequence[Tag], guesses: Sequence[Guess]) -> Iterator[Finding]:
        companies = [(guess.start, guess.end) for guess in guesses if guess.label == "ORG"]
        for one_case in (False, True):
            for start, end in self._weigher.names(text, _of_case(text, tags, one_case), companies, one_case=one_case):
                yield Finding(start, end, "PERSON", GUESS_SCORE)
        for tag in tags:
            if tag.entity in _TAGGED_FORMS and self._weigher.is_form(text, tag):
                # A form that a pattern knows is told better by that.
                yield Finding(tag.start, tag.end, tag.entity, 0.5)


def _of_case(text: str, tags: Sequence[Tag], one_case: bool) -> list[Tag]:
    """The tags that stand where case tells nothing, or those that stand elsewhere."""
    return [tag for tag in tags if is_one_case(text, tag.start) is one_case]


def load_recognizer(settings: PrivacySettings, folder: Path | None = None) -> Recognizer:
    """Verify the models' files, load them, and build the recognizers.

    Raises:
        Damaged: a file of the model is not the one in the manifest.
    """
    _silence("presidio-analyzer")
    path = folder or model_folder()
    chosen = (settings.employee_id_pattern, settings.customer_id_pattern or "", str(settings.score_threshold))
    models = [verify(path).encode(), settings.profile.encode()]
    models += [RAMPART_MANIFEST.read_bytes()] if settings.profile == "accurate" else []
    digest = digest_of([*models, *chosen, " ".join(sorted(settings.leave)), *_rules()]).hex()
    return Recognizer(
        NameModel(load_model(path)),
        load_tagger() if settings.profile == "accurate" else None,
        list(pattern_recognizers(settings)),
        load_lexicon(path),
        digest,
        settings,
    )


RULES = (
    "addresses.py",
    "company_patterns.py",
    "cues.py",
    "evidence.py",
    "faces.py",
    "fields.py",
    "findings.py",
    "form.py",
    "forms.py",
    "guesses.py",
    "known_forms.py",
    "known_values.py",
    "lexicon.py",
    "mask.py",
    "masked.py",
    "model.py",
    "national.py",
    "operators.py",
    "patterns.py",
    "people.py",
    "pieces.py",
    "places.py",
    "propagate.py",
    "recognize.py",
    "secrets.py",
    "sentences.py",
    "tagger.py",
    "tenant.py",
    "tenant_rules.py",
    "text_words.py",
    "weighing.py",
    "words.txt",
)
"""Every file that decides what is found: a change of any of them masks all documents again, forgetting none."""


def _rules() -> Iterator[bytes]:
    room = resources.files("rag.privacy")
    for name in RULES:
        yield room.joinpath(name).read_bytes()


def _silence(name: str) -> None:
    """Presidio logs values that fail a checksum: nothing it says may reach a sink."""
    logger = logging.getLogger(name)
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    logger.disabled = True
    logger.setLevel(logging.CRITICAL + 1)
