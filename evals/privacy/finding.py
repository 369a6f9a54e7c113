"""`ringfence eval privacy`, the part on finding: what leaks, what is masked in vain, how fast.

Three finders side by side in one run: plain Presidio with the same spaCy model, and both profiles of ours. All kinds
are masked here, those too that the settings leave alone by default (places and web addresses by themselves, titles):
the sets count them. `as_shipped` tells what the default settings make of the same texts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import spacy

from evals.privacy.datasets import DIRECT, Sample, names_of, recased
from evals.privacy.directory import directory_of, directory_speeds, most_of
from evals.privacy.finders import Finder, our_finder, plain_finder
from evals.privacy.plain import PlainPresidio
from evals.privacy.scoring import Span, SpanScore, leaks, without
from evals.privacy.speed import Ratio, speed_ratios
from evals.runner.values import Json
from rag.privacy.lexicon import Lexicon
from rag.privacy.model import model_folder
from rag.privacy.recognize import Recognizer, load_recognizer
from rag.settings import PrivacySettings

REAL = frozenset({"PERSON", "LOCATION"})
SPEED_SHORT, SPEED_LONG = 300, 60
"""Texts whose time is taken: short ones of generated_large, long ones (articles) of wikigold."""


@dataclass(frozen=True, slots=True)
class Sets:
    generated: Sequence[Sample]
    wikigold: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Finders:
    plain: Finder
    accurate: Finder
    fast: Finder
    shipped: Finder

    def named(self) -> dict[str, Finder]:
        return {"plain_presidio": self.plain, "accurate": self.accurate, "fast": self.fast}


def load_finders() -> tuple[Finders, Recognizer, Recognizer]:
    """Both profiles and plain Presidio on the same spaCy model, loaded (seconds)."""
    accurate = load_recognizer(PrivacySettings())
    fast = load_recognizer(PrivacySettings(profile="fast"))
    plain = plain_finder(PlainPresidio(model_folder()))
    left = PrivacySettings().leave
    return Finders(plain, our_finder(accurate), our_finder(fast), our_finder(accurate, left)), accurate, fast


def score(samples: Sequence[Sample], finder: Finder, direct: Collection[str]) -> dict[str, Json]:
    """Recall by kind and overall, precision and F2, and the official span score."""
    found = finder([sample.text for sample in samples])
    result = leaks(samples, found, direct)
    official = _official(samples, found, direct)
    kinds: dict[str, Json] = {kind: _rounded(result.recall(kind)) for kind in sorted(result.marked)}
    return {
        "leak_recall": _rounded(result.recall()),
        "leaked_entity_rate": _rounded(1 - result.recall()),
        "precision": _rounded(result.precision),
        "f2": _rounded(result.f2),
        "official_f2": _rounded(official.f2),
        "entities": result.marked.total(),
        "recall_by_kind": kinds,
    }


def _official(samples: Sequence[Sample], found: Sequence[Sequence[Span]], direct: Collection[str]) -> SpanScore:
    tokenizer = spacy.blank("en").tokenizer
    total = SpanScore()
    for sample, spans in zip(samples, found, strict=True):
        tokens = [(token.text, token.idx) for token in tokenizer(sample.text)]
        gold = [(one.start, one.end) for one in sample.gold if one.kind in direct]
        others = [one for one in sample.gold if one.kind not in direct]
        total.add(tokens, gold, without(spans, others))
    return total


def measure(sets: Sets, finders: Finders) -> dict[str, Json]:
    """The scores of every finder on every set."""
    figures: dict[str, Json] = {}
    for name, finder in finders.named().items():
        figures[name] = {
            "generated_large": score(sets.generated, finder, DIRECT),
            "generated_large_development": score(_part(sets.generated, held_out=False), finder, DIRECT),
            "generated_large_held_out": score(_part(sets.generated, held_out=True), finder, DIRECT),
            "generated_large_lower_case": score(recased(sets.generated, "lower"), finder, DIRECT),
            "generated_large_upper_case": score(recased(sets.generated, "upper"), finder, DIRECT),
            "wikigold": score(sets.wikigold, finder, REAL),
            "wikigold_development": score(_part(sets.wikigold, held_out=False), finder, REAL),
            "wikigold_held_out": score(_part(sets.wikigold, held_out=True), finder, REAL),
        }
    figures["as_shipped"] = {"generated_large": score(sets.generated, finders.shipped, DIRECT)}
    return figures


def measure_speed(sets: Sets, finders: Finders) -> dict[str, Json]:
    """How many times faster than plain Presidio both profiles are."""
    figures: dict[str, Json] = {}
    ours = {"accurate": finders.accurate, "fast": finders.fast}
    texts = {
        "short": [s.text for s in sets.generated][:SPEED_SHORT],
        "long": [s.text for s in sets.wikigold][:SPEED_LONG],
    }
    for length, some in texts.items():
        ratios, plain_ms = speed_ratios(finders.plain, ours, some)
        figures[f"plain_presidio_{length}_ms_p50"] = _rounded(plain_ms)
        for name, ratio in ratios.items():
            figures[f"{name}_{length}_speed_ratio"] = _rounded(ratio.median)
            figures[f"{name}_{length}_speed_spread"] = _spread(ratio)
    return figures


def measure_directory(sets: Sets, recognizers: Mapping[str, Recognizer]) -> dict[str, Json]:
    """The same where a directory holds nine of ten of the names."""
    figures: dict[str, Json] = {}
    for name, recognizer in recognizers.items():
        is_everyday = recognizer.lexicon.is_everyday
        generated = directory_of(most_of(list(names_of(sets.generated))), is_everyday)
        real = directory_of(most_of(list(names_of(sets.wikigold))), is_everyday)
        figures[name] = {
            "generated_large": score(sets.generated, our_finder(recognizer, known=generated), DIRECT),
            "wikigold": score(sets.wikigold, our_finder(recognizer, known=real), REAL),
        }
    return figures


def measure_directory_speed(sets: Sets, lexicon: Lexicon) -> dict[str, Json]:
    """How many times faster than Presidio's `deny_list` a directory of 5,000 people is looked up."""
    figures: dict[str, Json] = {}
    for name, ratio in directory_speeds(sets.wikigold[:SPEED_LONG], lexicon).items():
        figures[f"directory_{name}_speed_ratio"] = _rounded(ratio.median)
        figures[f"directory_{name}_speed_spread"] = _spread(ratio)
    return figures


def _part(samples: Sequence[Sample], *, held_out: bool) -> list[Sample]:
    return [sample for sample in samples if sample.held_out is held_out]


def _rounded(value: float) -> float:
    return round(value, 4)


def _spread(ratio: Ratio) -> list[Json]:
    return [_rounded(ratio.lowest), _rounded(ratio.highest)]
