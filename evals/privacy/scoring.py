"""How much leaks, how much is masked in vain, and the span score that published work reports.

Leak recall: the share of direct identifiers of which *every* letter and digit is masked; one letter of a name left over
is a leak. Precision: the share of masked letters and digits that belong to something marked, of any kind.
"""

import string
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from spacy.lang.en.stop_words import STOP_WORDS

from evals.privacy.datasets import Gold, Sample

Span = tuple[int, int]

IOU_MIN = 0.7
BETA = 2.0


@dataclass(frozen=True, slots=True)
class Leaks:
    """Counts by kind: how many direct identifiers there are, and how many of them are wholly masked."""

    marked: Counter[str]
    masked: Counter[str]
    right_chars: int
    masked_chars: int

    def recall(self, kind: str | None = None) -> float:
        """Share wholly masked; of nothing, 1."""
        marked = self.marked[kind] if kind else self.marked.total()
        masked = self.masked[kind] if kind else self.masked.total()
        return masked / marked if marked else 1.0

    @property
    def precision(self) -> float:
        return self.right_chars / self.masked_chars if self.masked_chars else 1.0

    @property
    def f2(self) -> float:
        return f_beta(self.precision, self.recall())


def leaks(samples: Sequence[Sample], found: Sequence[Sequence[Span]], direct: Collection[str]) -> Leaks:
    """Compare what was masked (spans of each text) with what is marked."""
    marked: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    right = total = 0
    for sample, one in zip(samples, found, strict=True):
        mask = _mask(len(sample.text), one)
        truth = _mask(len(sample.text), [(gold.start, gold.end) for gold in sample.gold])
        for gold in sample.gold:
            if gold.kind in direct:
                marked[gold.kind] += 1
                masked[gold.kind] += all(
                    seen or not char.isalnum()
                    for char, seen in zip(sample.text[gold.start : gold.end], mask[gold.start : gold.end], strict=True)
                )
        counted = [(one, other) for char, one, other in zip(sample.text, mask, truth, strict=True) if char.isalnum()]
        total += sum(one for one, _ in counted)
        right += sum(one & other for one, other in counted)
    return Leaks(marked, masked, right, total)


def f_beta(precision: float, recall: float, beta: float = BETA) -> float:
    """0 where both are 0."""
    weighted = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / weighted if weighted else 0.0


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans in order, overlapping and touching ones joined."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _mask(length: int, spans: Iterable[Span]) -> bytearray:
    mask = bytearray(length)
    for start, end in spans:
        mask[start:end] = b"\x01" * (end - start)
    return mask


SKIP_WORDS = frozenset(
    STOP_WORDS
    | set(string.punctuation)
    | {"", " ", ">>", ">>>", ">>>>", ">>>>>", ">>>>>>", "'s", "street", "st.", "st", "de", "rue", "via", "do", "day"}
    | {"address", "country", "state", "city", "zip", "po", "apt", "unit", "corner", "p.o.", "box", "suite", "mr."}
    | {"mrs.", "miss", "year", "years", "y/o", "month", "months", "old", "morning", "noon", "afternoon", "night"}
    | {"evening", "week", "weeks", "weekend", "days", "age", "ago", "inc", "inc.", "ltd"}
)
"""Words that neither join nor part two spans and are not counted at their ends: those of presidio-evaluator."""

Token = tuple[str, int]


class SpanScore:
    """The span score of presidio-evaluator 0.3 (MIT), `SpanEvaluator` at level "pii", written from its definition.

    Spans are runs of tokens of the model's tokenizer. Two that are parted by skip words only are one. A marked span is
    found when the intersection of its characters with those of all spans that touch it is at least 70 % of their
    union. Spans that touch nothing marked are false. F2 over recall and precision, whatever the kinds.
    """

    def __init__(self) -> None:
        self.marked = self.predicted = self.right = 0

    def add(self, tokens: Sequence[Token], gold: Iterable[Span], found: Iterable[Span]) -> None:
        marked, predicted = _token_runs(tokens, gold), _token_runs(tokens, found)
        touched: set[Span] = set()
        for one in marked:
            self.marked += 1
            near = [span for span in predicted if span[0] < one[1] and one[0] < span[1]]
            touched.update(near)
            if near:
                self.predicted += 1
                self.right += _iou(one, near) >= IOU_MIN
        self.predicted += len(set(predicted) - touched)

    @property
    def recall(self) -> float:
        return self.right / self.marked if self.marked else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 1.0

    @property
    def f2(self) -> float:
        return f_beta(self.precision, self.recall)


def without(spans: Iterable[Span], left_out: Sequence[Gold]) -> Iterator[Span]:
    """The spans that do not lie in something marked that is not scored."""
    for start, end in spans:
        if not any(gold.start < end and start < gold.end for gold in left_out):
            yield start, end


def _token_runs(tokens: Sequence[Token], spans: Iterable[Span]) -> list[Span]:
    """Spans of the words that count, of runs of tokens inside `spans`, joined over skip words."""
    inside = sorted(spans)
    runs: list[list[Token]] = []
    joined = False
    for text, start in tokens:
        if any(first < start + len(text) and start < last for first, last in inside):
            if joined:
                runs[-1].append((text, start))
            else:
                runs.append([(text, start)])
            joined = True
        elif text.lower().strip() not in SKIP_WORDS:
            joined = False
    counted = ([t for t in run if t[0].lower().strip() not in SKIP_WORDS] for run in runs)
    return [(words[0][1], words[-1][1] + len(words[-1][0])) for words in counted if words]


def _iou(one: Span, near: Sequence[Span]) -> float:
    ours = set(range(*one))
    theirs = {position for span in near for position in range(*span)}
    return len(ours & theirs) / len(ours | theirs)
