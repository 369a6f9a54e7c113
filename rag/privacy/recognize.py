"""Finding personal data: Presidio recognizers and a spaCy model, in batches, without any download.

One `Recognizer` is loaded once per process (it takes seconds) and shared by threads. What it returns are positions,
never values.
"""

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from presidio_analyzer import EntityRecognizer
from spacy.language import Language

from rag.domain import digest_of
from rag.privacy.fields import FieldFinder
from rag.privacy.forms import TOKEN_SHAPE
from rag.privacy.lexicon import Lexicon, load_lexicon
from rag.privacy.model import load_model, model_folder, verify
from rag.privacy.patterns import pattern_recognizers
from rag.privacy.people import PeopleFinder
from rag.settings import PrivacySettings

PIECE_CHARS = 6_000
"""Longest text given to the model at once: its memory grows with the length."""
BATCH = 64
GUESS_SCORE = 0.85
"""Of a name that only the model sees; its own scores say nothing."""
_LINE = re.compile(r"[^\n]+")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_LONG_RUN = re.compile(r"\S{500,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TYPESET = str.maketrans(
    dict.fromkeys("\u2010\u2011\ufe63\uff0d", "-")
    | dict.fromkeys("\ufe6b\uff20", "@")
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
)
"""Word processors write hyphens that do not break: patterns know a number by plain ones."""
_DASH_IN_NUMBER = re.compile("(?<=[0-9])[\u2012\u2013\u2212](?=[0-9])")


@dataclass(frozen=True, slots=True)
class Finding:
    """Characters `start` to `end` are a value of this kind."""

    start: int
    end: int
    entity: str
    score: float


@dataclass(frozen=True, slots=True)
class _Piece:
    text_number: int
    offset: int
    text: str


class Recognizer:
    """Finds personal data in many texts. Safe to call from several threads."""

    def __init__(
        self, model: Language, recognizers: Sequence[EntityRecognizer], lexicon: Lexicon, digest: str, threshold: float
    ) -> None:
        self._model = model
        self._recognizers = tuple(recognizers)
        self._people = PeopleFinder(lexicon)
        self._fields = FieldFinder(self._people)
        self._threshold = threshold
        self._lock = threading.Lock()
        self.lexicon = lexicon
        self.digest = digest
        """Of the model's files and our rules: part of what a masked text was made by."""

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """For each text its findings, not overlapping and in order."""
        pieces = [piece for number, text in enumerate(texts) for piece in _pieces(number, text)]
        found: list[list[Finding]] = [[] for _ in texts]
        for piece, guesses in zip(pieces, self._guesses([piece.text for piece in pieces]), strict=True):
            for finding in self._in_piece(piece.text, guesses):
                shifted = Finding(
                    finding.start + piece.offset, finding.end + piece.offset, finding.entity, finding.score
                )
                found[piece.text_number].append(shifted)
        for text, findings in zip(texts, found, strict=True):
            # On the whole text: no cut between two pieces may let a forged token through.
            findings += (Finding(m.start(), m.end(), "LITERAL", 1.0) for m in TOKEN_SHAPE.finditer(text))
        return [resolve_overlaps(text, findings) for text, findings in zip(texts, found, strict=True)]

    def _in_piece(self, text: str, guesses: Sequence[tuple[int, int]]) -> Iterator[Finding]:
        mails = []
        for recognizer in self._recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities, None):
                if result.score >= self._threshold:
                    yield Finding(result.start, result.end, result.entity_type, result.score)
                    if result.entity_type == "EMAIL_ADDRESS":
                        mails.append((result.start, result.end))
        for field in self._fields.find(text):
            yield Finding(field.start, field.end, field.entity, 0.9)
        for guess in guesses:
            for start, end in self._people.from_guess(text, *guess):
                yield Finding(start, end, "PERSON", GUESS_SCORE)
        for start, end in self._people.from_places(text, mails):
            yield Finding(start, end, "PERSON", 0.8)
        for start, end in self._people.from_given_names(text):
            yield Finding(start, end, "PERSON", 0.8)

    def _guesses(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Spans that the model takes for people. Text in one case is shown to it as a title as well."""
        # Its tokenizer takes quadratic time on long runs without a space, in which no name stands.
        texts = [_LONG_RUN.sub(lambda run: " " * len(run[0]), text) for text in texts]
        shown = [(number, 0, text) for number, text in enumerate(texts) if text.strip()]
        shown += [(number, offset, line) for number, text in enumerate(texts) for offset, line in _titled(text)]
        guesses: list[list[tuple[int, int]]] = [[] for _ in texts]
        # The pipeline keeps state while it runs; the memory zone drops the words it saw, which may be values.
        with self._lock, self._model.memory_zone():
            documents = self._model.pipe((text for _, _, text in shown), batch_size=BATCH)
            for document, (number, offset, _) in zip(documents, shown, strict=True):
                people = (span for span in document.ents if span.label_ == "PERSON")
                guesses[number].extend((span.start_char + offset, span.end_char + offset) for span in people)
        return guesses


def resolve_overlaps(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """The longest wins, then the higher score; what is left of a loser is kept, so that no part of it leaks."""
    order = sorted(set(findings), key=lambda f: (f.start - f.end, -f.score, f.start, f.entity))
    taken: list[Finding] = []
    # One flag per character: texts are some thousand characters, findings a few hundred.
    free = bytearray(b"\x01") * len(text)
    for finding in order:
        for start, end in _free_parts(free, finding.start, finding.end):
            whole = (start, end) == (finding.start, finding.end)
            if whole or sum(map(str.isalnum, text[start:end])) >= 2:
                first, last = (start, end) if whole else _stripped(text, start, end)
                taken.append(Finding(first, last, finding.entity, finding.score))
                free[first:last] = bytes(last - first)
    return sorted((f for f in taken if f.end > f.start), key=lambda f: f.start)


def _free_parts(free: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    parts, position = [], start
    while (first := free.find(1, position, end)) >= 0:
        stop = free.find(0, first, end)
        position = end if stop < 0 else stop
        parts.append((first, position))
    return parts


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end


def _pieces(number: int, text: str) -> Iterator[_Piece]:
    """The text in parts that end at a line, at a space where a line is too long, or at the limit."""
    # Same length, so positions hold; the model cannot encode half of a surrogate pair.
    text = _DASH_IN_NUMBER.sub("-", _SURROGATE.sub("\ufffd", text).translate(_TYPESET))
    start = 0
    while len(text) - start > PIECE_CHARS:
        limit = start + PIECE_CHARS
        cut = max(text.rfind("\n\n", start + PIECE_CHARS // 2, limit) + 2, 1)
        if cut < start + PIECE_CHARS // 2:
            cut = (
                text.rfind("\n", start + PIECE_CHARS // 4, limit) + 1 or text.rfind(" ", start + 1, limit) + 1 or limit
            )
        yield _Piece(number, start, text[start:cut])
        start = cut
    yield _Piece(number, start, text[start:])


def _titled(text: str) -> Iterator[tuple[int, str]]:
    """Where the parts in one case begin, and those parts capitalised word by word."""
    parts = [(0, text)] if text.islower() else [(m.start(), m[0]) for m in _LINE.finditer(text) if m[0].isupper()]
    for offset, part in parts:
        titled = part.title()
        # A few letters change their number with their case; positions would no longer hold.
        if len(titled) == len(part) and len(_LONG_WORD.findall(part)) > 1:
            yield offset, titled


def load_recognizer(settings: PrivacySettings, folder: Path | None = None) -> Recognizer:
    """Verify the model's files, load them, and build the recognizers.

    Raises:
        Damaged: a file of the model is not the one in the manifest.
    """
    _silence("presidio-analyzer")
    path = folder or model_folder()
    digest = digest_of([verify(path), settings.employee_id_pattern, str(settings.score_threshold), *_rules()]).hex()
    return Recognizer(
        load_model(path),
        list(pattern_recognizers(settings.employee_id_pattern)),
        load_lexicon(path),
        digest,
        settings.score_threshold,
    )


def _rules() -> Iterator[bytes]:
    """Every file that decides what is found: a change of any of them masks all documents again, forgetting none."""
    room = resources.files("rag.privacy")
    for name in ("faces.py", "fields.py", "forms.py", "lexicon.py", "mask.py", "patterns.py", "people.py"):
        yield room.joinpath(name).read_bytes()
    for name in ("propagate.py", "recognize.py", "tenant.py", "words.txt"):
        yield room.joinpath(name).read_bytes()


def _silence(name: str) -> None:
    """Presidio logs values that fail a checksum: nothing it says may reach a sink."""
    logger = logging.getLogger(name)
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    logger.disabled = True
    logger.setLevel(logging.CRITICAL + 1)
