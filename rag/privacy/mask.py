"""Making masked text: every finding is replaced by its token, or by a redaction of its kind."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from rag.privacy.faces import FaceMaker, kind_in_words, redaction
from rag.privacy.findings import Finding
from rag.privacy.masked import MaskedSpan, MaskedText
from rag.privacy.unmask import stand_ins_in
from rag.privacy.vault import VaultValue

_ANONYMIZER = AnonymizerEngine()
_REPLACE = {"DEFAULT": OperatorConfig("replace")}
_WINDOW = 64


def apply(
    text: str, findings: Sequence[Finding], faces: FaceMaker, redacted: Collection[str] = frozenset()
) -> MaskedText:
    """Replace the findings (in order, not overlapping) by their tokens; those of `redacted` kinds by redactions."""
    spans: list[MaskedSpan] = []
    originals: dict[str, VaultValue] = {}
    words: dict[str, str] = {}
    shift = 0
    for found in findings:
        original = text[found.start : found.end]
        token = stand_in(found.entity, original, faces, redacted)
        start = found.start + shift
        spans.append(MaskedSpan(start, start + len(token), found.start, found.end, found.entity, token))
        shift += len(token) - len(original)
        if found.entity in redacted:
            words[token] = kind_in_words(found.entity)
            continue
        words[token] = faces.words(found.entity, original)
        words_of = faces.name_words(original) if found.entity == "PERSON" else []
        for value in (
            VaultValue(token, found.entity, original),
            *(VaultValue(part, "PERSON", word) for part, word in words_of),
        ):
            held = originals.get(value.token)
            originals[value.token] = value if held is None else better_spelling(held, value)
    return MaskedText(_reading_face(text, spans), tuple(spans), tuple(originals.values()), words)


def stand_in(entity: str, original: str, faces: FaceMaker, redacted: Collection[str]) -> str:
    """The reading face of a value: its token, or the redaction of its kind."""
    return redaction(entity) if entity in redacted else faces.token(entity, original)


def _reading_face(text: str, spans: Sequence[MaskedSpan]) -> str:
    """`text` with each span's source replaced by its token.

    Raises:
        RuntimeError: a token does not stand where its span says; the text must not be stored.
    """
    out: list[str] = []
    done = 0
    for window in _windows(spans):
        end = window[-1].source_end
        # Presidio's own replacement writes an entity's type in angle brackets: the type it is given is the token's.
        results = [RecognizerResult(s.token[1:-1], s.source_start - done, s.source_end - done, 1.0) for s in window]
        replaced = _ANONYMIZER.anonymize(text[done:end], results, _REPLACE, merge_entities_with_spaces=False)
        out.append(replaced.text)
        done = end
    reading = "".join([*out, text[done:]])
    if any(reading[span.start : span.end] != span.token for span in spans):
        raise RuntimeError("a masked value is not where it should be")
    return reading


def _windows(spans: Sequence[MaskedSpan]) -> Iterator[list[MaskedSpan]]:
    """Runs of spans for one call: its time grows with their square, and it joins touching ones of one type."""
    window: list[MaskedSpan] = []
    for span in spans:
        if window and (len(window) == _WINDOW or window[-1].source_end == span.source_start):
            yield window
            window = []
        window.append(span)
    if window:
        yield window


def index_face_of_reading(reading: str, originals: Mapping[str, str], faces: FaceMaker) -> str:
    """The index face of a stored reading text. A token without an original (erased) leaves nothing behind."""
    out: list[str] = []
    done = 0
    for token in stand_ins_in(reading):
        original = originals.get(token.text)
        face = faces.words(token.entity, original) if original is not None else ""
        face = kind_in_words(token.entity) if token.redaction else face
        out += (reading[done : token.start], face)
        done = token.end
    return "".join([*out, reading[done:]])


def better_spelling(first: VaultValue, second: VaultValue) -> VaultValue:
    """Of two spellings of one value the one to give back: `Ann Lee` rather than `ANN LEE` or `ann lee`."""

    def one_case(value: VaultValue) -> bool:
        return value.original.isupper() or value.original.islower()

    return second if one_case(first) and not one_case(second) else first
