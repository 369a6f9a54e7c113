"""Rampart: a small model that reads personal data in its context, in any case. Run by ONNX Runtime, never downloaded.

Made by National Design Studio (CC BY 4.0; notice beside the model), weights turned into 8-bit integers by
`deploy/models/rampart.py`. It sees windows of 126 tokens, one at a time: with the weights' arithmetic the result of a
window would depend on the windows in the same batch, and a document must be masked alike whatever is masked with it.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from presidio_analyzer import EntityRecognizer, RecognizerResult
from tokenizers import Tokenizer

from rag.privacy.model import verify
from rag.privacy.pieces import without_long_runs

if TYPE_CHECKING:
    import onnxruntime

RAMPART = Path(__file__).parent / "models" / "rampart"
MANIFEST = Path(__file__).parent / "manifests" / "rampart.json"
WINDOW_TOKENS = 126
"""Without the two marks around them. The model was made for about 480 characters and finds less in longer texts."""
OVERLAP_TOKENS = 24
"""Shared by two windows where no line or sentence ends: longer than a name or a number."""
_SEARCHED_TOKENS = 48
"""A window may be so much shorter to end where a line or a sentence does."""
SURE = 0.9
"""From this probability on it is believed against what the lexicon says."""
DOUBT = 0.05
"""A word is taken for personal data from this probability on: below it names are lost, above it little is gained."""

_WORD = re.compile(r"[^\W_]+(?:(?:['\u2019]|(?<=[^\W\d])-(?=[^\W\d]))[^\W_]+)*")
_GAP = re.compile(r"[ \t\u00a0.'\u2019-]{0,3}")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}\Z")
_BREAK = re.compile(r"\n|[.!?]\s")

_KINDS = {
    "GIVEN_NAME": "PERSON",
    "SURNAME": "PERSON",
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "URL": "WEB_ADDRESS",
    "TAX_ID": "ID_NUMBER",
    "BANK_ACCOUNT": "ID_NUMBER",
    "ROUTING_NUMBER": "ID_NUMBER",
    "GOVERNMENT_ID": "ID_NUMBER",
    "PASSPORT": "ID_NUMBER",
    "DRIVERS_LICENSE": "ID_NUMBER",
    "BUILDING_NUMBER": "LOCATION",
    "STREET_NAME": "LOCATION",
    "SECONDARY_ADDRESS": "LOCATION",
    "ZIP_CODE": "LOCATION",
    "CITY": "PLACE",
    "STATE": "PLACE",
}

Tokens = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Tag:
    """Characters `start` to `end` read like this kind, with a probability of `score`."""

    start: int
    end: int
    entity: str
    score: float


class Tagger:
    """The model, loaded once per process. Safe to call from several threads."""

    def __init__(self, session: "onnxruntime.InferenceSession", tokenizer: Tokenizer, labels: Sequence[str]) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._ends = (tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]"))
        kinds = sorted(set(_KINDS.values()))
        self._kinds = tuple(kinds)
        self._labels_of = [[n for n, label in enumerate(labels) if _KINDS.get(label[2:]) == kind] for kind in kinds]

    def tag(self, text: str, needless: Iterable[tuple[int, int]] = ()) -> list[Tag]:
        """What the words of a text read like, neighbours of one kind joined; in order, not overlapping.

        `needless` are parts of the text, in order, that need not be read.
        """
        encoded = self._tokenizer.encode(without_long_runs(text), add_special_tokens=False)
        ids, offsets = _without(encoded.ids, encoded.offsets, list(needless))
        if not offsets:
            return []
        personal = self._probabilities(text, ids, offsets)
        return list(_joined(text, list(self._words(text, offsets, personal))))

    def _probabilities(self, text: str, ids: Sequence[int], offsets: Tokens) -> NDArray[np.float32]:
        """For each token the probability of each of our kinds; of a token in two windows, the higher ones."""
        out = np.zeros((len(ids), len(self._kinds)), dtype=np.float32)
        for first, last in _windows(text, offsets):
            row = np.array([[self._ends[0], *ids[first:last], self._ends[1]]], dtype=np.int64)
            feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
            logits = self._session.run(None, feed)[0][0, 1:-1]
            chances = np.exp(logits - logits.max(axis=-1, keepdims=True))
            chances /= chances.sum(axis=-1, keepdims=True)
            for kind, labels in enumerate(self._labels_of):
                np.maximum(out[first:last, kind], chances[:, labels].sum(axis=-1), out=out[first:last, kind])
        return out

    def _words(self, text: str, offsets: Tokens, personal: NDArray[np.float32]) -> Iterator[Tag]:
        """Whole words: one piece of a word that reads like a name makes all of it one."""
        token = 0
        for word in _WORD.finditer(text):
            while token < len(offsets) and offsets[token][1] <= word.start():
                token += 1
            last = token
            while last < len(offsets) and offsets[last][0] < word.end():
                last += 1
            if last > token:
                pieces = personal[token:last]
                score = float(pieces.sum(axis=-1).max())
                if score >= DOUBT:
                    yield Tag(word.start(), word.end(), self._kinds[int(pieces.max(axis=0).argmax())], min(score, 1.0))


class RampartRecognizer(EntityRecognizer):  # type: ignore[misc] # Presidio's types are not followed
    """The tagger as a Presidio recognizer, for engines that are Presidio's own."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        super().__init__(supported_entities=sorted(set(_KINDS.values())), supported_language="en", name="Rampart")

    def load(self) -> None:
        """Loaded before."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        return [
            RecognizerResult(tag.entity, tag.start, tag.end, tag.score)
            for tag in self._tagger.tag(text)
            if tag.entity in entities
        ]


def _without(ids: Sequence[int], offsets: Tokens, needless: Sequence[tuple[int, int]]) -> tuple[Sequence[int], Tokens]:
    """The tokens outside of the needless parts."""
    if not needless:
        return ids, offsets
    starts = [start for start, _ in needless]
    kept = [
        number
        for number, (start, _) in enumerate(offsets)
        if not ((before := bisect_right(starts, start)) and start < needless[before - 1][1])
    ]
    return [ids[number] for number in kept], [offsets[number] for number in kept]


def _windows(text: str, offsets: Tokens) -> Iterator[tuple[int, int]]:
    """Runs of tokens that cover all of them, each ending with a line or sentence or overlapping the next."""
    first = 0
    while True:
        last = min(first + WINDOW_TOKENS, len(offsets))
        if last == len(offsets):
            yield first, last
            return
        lowest = last - _SEARCHED_TOKENS
        cut = next((n for n in range(last, lowest, -1) if _ends_before(text, offsets, n)), None)
        yield first, cut or last
        first = cut or last - OVERLAP_TOKENS


def _ends_before(text: str, offsets: Tokens, token: int) -> bool:
    return _BREAK.search(text, offsets[token - 1][0], offsets[token][0]) is not None


def _joined(text: str, tags: Sequence[Tag]) -> Iterator[Tag]:
    """Words of one kind side by side are one value."""
    held: Tag | None = None
    for tag in tags:
        if held and held.entity == tag.entity and _GAP.fullmatch(text, held.end, tag.start) and not _parts(text, held):
            held = Tag(held.start, tag.end, held.entity, max(held.score, tag.score))
        else:
            if held:
                yield held
            held = tag
    if held:
        yield held


def _parts(text: str, tag: Tag) -> bool:
    """Whether a sentence ends behind a name: a full stop, and in front of it no initial, title or short form."""
    return (
        tag.entity == "PERSON"
        and text.startswith(". ", tag.end)
        and _LONG_WORD.search(text, tag.start, tag.end) is not None
    )


def load_tagger(folder: Path = RAMPART) -> Tagger:
    """Verify the model's files and load it.

    Raises:
        Damaged: a file of the model is not the one in the manifest.
    """
    # It starts a thread when it is imported: only who runs the model should have that.
    import onnxruntime  # noqa: PLC0415 - see above

    verify(folder, MANIFEST)
    options = onnxruntime.SessionOptions()
    # Documents are masked side by side; one thread each wastes nothing.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    labels: dict[str, str] = json.loads((folder / "config.json").read_text("utf-8"))["id2label"]
    session = onnxruntime.InferenceSession(
        (folder / "model.onnx").read_bytes(),
        options,
        providers=["CPUExecutionProvider"],
        # Fused, these layers take twice as long on a processor: 9 % of the whole.
        disabled_optimizers=["SkipLayerNormFusion"],
    )
    return Tagger(session, tokenizer, [labels[str(number)] for number in range(len(labels))])
