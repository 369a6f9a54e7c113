"""Texts with their personal data marked by people or by the templates they were made from.

*generated_large*: 2,109 short texts filled from 127 templates. *wikigold*: 145 articles of Wikipedia with real people
and places. Both are split in two by a hash of the template (of the text, where there is none): rules are tuned on
`development` only, and `held_out` tells what that is worth.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.errors import Misuse

GENERATED = Path("presidio_research") / "generated_large.json"
WIKIGOLD = Path("wikigold") / "wikigold.conll.txt"

DIRECT = frozenset(
    {"PERSON", "ADDRESS", "LOCATION", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "IBAN_CODE"}
    | {"US_DRIVER_LICENSE", "IP_ADDRESS", "DOMAIN_NAME"}
)
"""Kinds of generated_large that lead to one person. Organisations, dates, job titles and forms of address do not."""
_WIKIGOLD_KINDS = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION", "MISC": "MISC"}
_NO_SPACE_BEFORE = frozenset({",", ".", ";", ":", "!", "?", ")", "]", "'s", "n't", "'", "%", "''"})
_NO_SPACE_AFTER = frozenset({"(", "[", "$", "``"})


@dataclass(frozen=True, slots=True)
class Gold:
    """Characters `start` to `end` are a value of this kind."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and what is in it. `held_out`: not to be tuned on."""

    text: str = field(repr=False)
    gold: tuple[Gold, ...] = field(repr=False)
    held_out: bool = False


def read_generated(data: Path) -> list[Sample]:
    """generated_large, in its order.

    Raises:
        Misuse: the file is not below `data`, or is none.
    """
    try:
        rows = json.loads(_read(data, GENERATED))
        return [_generated(row) for row in rows]
    except (ValueError, KeyError, TypeError) as cause:
        raise Misuse(f"{data / GENERATED} is not the data set generated_large.", code="bad_dataset") from cause


def _generated(row: dict[str, object]) -> Sample:
    text, spans = str(row["full_text"]), row["spans"]
    if not isinstance(spans, list):
        raise TypeError("spans is no list")
    gold = sorted((s["start_position"], s["end_position"], s["entity_type"]) for s in spans)
    return Sample(text, tuple(Gold(*one) for one in gold), _is_held_out(str(row["masked"])))


def read_wikigold(data: Path) -> list[Sample]:
    """wikigold, one sample per article, its words joined as they are printed.

    Raises:
        Misuse: the file is not below `data`.
    """
    articles = _read(data, WIKIGOLD).split("-DOCSTART-")
    samples = [_article([line.rsplit(" ", 1) for line in article.splitlines()]) for article in articles]
    return [sample for sample in samples if sample.text.strip()]


def _article(lines: Sequence[Sequence[str]]) -> Sample:
    """Of `word tag` lines; an empty line ends a sentence, and what has no tag of a kind is outside."""
    text = ""
    gold: list[Gold] = []
    inside, glue = "O", True
    for line in lines:
        word, tag = (line[0], line[1]) if len(line) == 2 else ("", "O")
        kind = tag.removeprefix("I-").removeprefix("B-")
        if not word:
            inside = "O"
            continue
        text += word if glue or word in _NO_SPACE_BEFORE else f" {word}"
        if kind != "O":
            if kind == inside and not tag.startswith("B-"):
                gold[-1] = replace(gold[-1], end=len(text))
            else:
                gold.append(Gold(len(text) - len(word), len(text), _WIKIGOLD_KINDS[kind]))
        inside, glue = kind, word in _NO_SPACE_AFTER
    return Sample(text, tuple(gold), _is_held_out(text))


def recased(samples: Sequence[Sample], case: str) -> list[Sample]:
    """The samples in `lower` or `upper` case; letters whose number changes with their case stay as they are."""
    turn = str.lower if case == "lower" else str.upper
    return [
        replace(sample, text="".join(turn(char) if len(turn(char)) == 1 else char for char in sample.text))
        for sample in samples
    ]


def names_of(samples: Sequence[Sample]) -> Iterator[str]:
    """Every value that is marked as a person, once each and sorted."""
    yield from sorted({sample.text[g.start : g.end] for sample in samples for g in sample.gold if g.kind == "PERSON"})


def _is_held_out(key: str) -> bool:
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def _read(data: Path, name: Path) -> str:
    try:
        return (data / name).read_text("utf-8")
    except OSError as cause:
        raise Misuse(
            f"{data / name} cannot be read. Name the folder with the public data sets with --data.", code="no_dataset"
        ) from cause
