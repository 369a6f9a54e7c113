"""Documents that nobody can have known of: unguessable words in text, title, path and tags."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from evals.oracle import LEVELS, Labels
from evals.questions import LABEL_FILE

TEXT_WORDS = 8
"""In the text of each document, each in a sentence of its own."""
STRICTER_EVERY = 4
"""Of so many documents, one has a paragraph that is stricter than the rest of it."""
_FORMS = (
    ("The crate {} was moved to the upper shelf before the inventory.", "Where was the crate {} moved to?"),
    ("The warehouse keeps the barrel {} behind the northern gate.", "Where does the warehouse keep the barrel {}?"),
    ("The inspection of the engine {} ended without any remark.", "How did the inspection of the engine {} end?"),
    ("The seal on container {} must be renewed every quarter.", "When must the seal on container {} be renewed?"),
)
"""Sentences of the text, and what one asks to be told them."""
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES = 8


def new_word() -> str:
    """A word of 49 random bits that can be spoken: a tokenizer has no reason to treat it as a number or a key."""
    return "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))


def question_about(word: str, at: int) -> str:
    """That which the sentence of the word at this place of a text answers."""
    return _FORMS[at % len(_FORMS)][1].format(word)


@dataclass(frozen=True, slots=True)
class Canary:
    """A document to plant. `labels` have no name yet: the document gets its id when it is ingested."""

    number: int
    labels: Labels
    title: str
    path: str
    tag: str
    text: tuple[str, ...]
    stricter: bool

    @property
    def folder(self) -> str:
        return f"{self.number:03}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.title, self.path, self.tag, *self.text)


def canaries_of(combinations: Sequence[Labels]) -> tuple[Canary, ...]:
    """One for each combination of labels."""
    return tuple(_canary(number, labels) for number, labels in enumerate(combinations))


def write(canaries: Sequence[Canary], folder: Path) -> None:
    """As a folder that `ringfence ingest` reads: each document below a label file of its own."""
    for one in canaries:
        own = folder / one.folder
        own.mkdir(parents=True)
        (own / LABEL_FILE).write_text(yaml.safe_dump(_label_file(one)), encoding="utf-8")
        (own / f"{one.path}.md").write_text(_text(one), encoding="utf-8")


def _canary(number: int, labels: Labels) -> Canary:
    title, path, tag, *text = (new_word() for _ in range(3 + TEXT_WORDS))
    stricter = number % STRICTER_EVERY == 0 and labels.level < len(LEVELS) - 1
    return Canary(number, replace(labels, tags=(*labels.tags, tag)), title, path, tag, tuple(text), stricter)


def _label_file(one: Canary) -> dict[str, object]:
    labels = one.labels
    named = {"shares": labels.shares, "denied_shares": labels.denied_shares, "compartments": labels.compartments}
    said: dict[str, object] = {name: list(values) for name, values in named.items() if values}
    said |= {"department": labels.department, "level": LEVELS[labels.level], "tags": list(labels.tags)}
    return said | ({"owner": labels.owner} if labels.owner else {})


def _text(one: Canary) -> str:
    sentences = [_FORMS[at % len(_FORMS)][0].format(word) for at, word in enumerate(one.text)]
    half = len(sentences) // 2
    rest = "\n\n".join(sentences[half:])
    if one.stricter:
        rest = f"[ringfence level={LEVELS[-1]}]\n\n{rest}\n\n[/ringfence]"
    return f"# Ledger {one.title}\n\n" + "\n\n".join(sentences[:half]) + f"\n\n{rest}\n"
