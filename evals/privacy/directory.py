"""A directory of names for `--directory`: what finding gains when a tenant tells whom it knows, and how fast that is.

It is our own directory, as a tenant imports it, beside Presidio's `deny_list` of the same names.
"""

import random
from collections.abc import Callable, Iterable, Sequence

from presidio_analyzer import PatternRecognizer

from evals.privacy.datasets import Sample, names_of
from evals.privacy.finders import Finder
from evals.privacy.scoring import merged
from evals.privacy.speed import Ratio, speed_ratios
from rag.privacy.keys import TenantKeys
from rag.privacy.known_forms import KnownForms
from rag.privacy.known_values import Unusable, forms_of, known_values_key
from rag.privacy.lexicon import Lexicon

SHARE = 0.9
"""Of the names: nobody's directory is complete."""
SIZE = 5_000
"""Names of the directory whose speed is taken."""


def directory_of(names: Iterable[str], is_everyday: Callable[[str], bool]) -> KnownForms:
    """The directory of these people, each in all the ways in which a name is written."""
    key = known_values_key(TenantKeys.of(bytes(32)))
    forms = []
    for name in names:
        try:
            forms += [(form, "PERSON") for form in forms_of(key, "PERSON", name, variants=True)]
        except Unusable:
            continue
    return KnownForms(key, forms, is_everyday=is_everyday)


def most_of(names: Sequence[str]) -> list[str]:
    """Nine of ten of the names, evenly taken."""
    return [name for number, name in enumerate(names) if number % 10 < round(SHARE * 10)]


def directory_speeds(samples: Sequence[Sample], lexicon: Lexicon) -> dict[str, Ratio]:
    """How many times faster than a `deny_list`: `sparse`, few of its people are in the texts, and `dense`, most are."""
    texts = [sample.text for sample in samples]
    drawn = random.Random(1)
    given, family = sorted(lexicon.given), sorted(lexicon.family)
    known = most_of(list(names_of(samples)))
    usual = [f"{drawn.choice(given)} {drawn.choice(family)}".title() for _ in range(SIZE)]
    return {
        name: speed_ratios(_deny_list(names), {name: _ours(names, lexicon)}, texts, rounds=3)[0][name]
        for name, names in (("sparse", usual), ("dense", [*known, *usual[len(known) :]]))
    }


def _ours(names: Sequence[str], lexicon: Lexicon) -> Finder:
    directory = directory_of(names, lexicon.is_everyday)
    return lambda texts: [merged((one.start, one.end) for one in directory.find(text)) for text in texts]


def _deny_list(names: Sequence[str]) -> Finder:
    recognizer = PatternRecognizer(supported_entity="PERSON", deny_list=list(names))

    def find(texts: Sequence[str]) -> list[tuple[tuple[int, int], ...]]:
        found = (recognizer.analyze(text, ["PERSON"]) for text in texts)
        return [merged((one.start, one.end) for one in results) for results in found]

    return find
