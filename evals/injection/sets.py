"""Texts that attack, texts that do not, and texts full of trigger words that do not either.

What the rules were written on is `development`: *bastioncorpus*, the training parts of *prompt_injection* and *bipia*.
`held_out`: the validation part of *prompt_injection*, *agent_injection_bench*, *giskard_prompt_injections* and our own
traps. Clean documents are split by a hash of their text; no rule was changed for either half.
"""

import csv
import gzip
import hashlib
import html
import importlib
import importlib.util
import json
import re
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DEVELOPMENT, HELD_OUT = "development", "held_out"
TEXTS = Path(__file__).with_name("texts.yaml")
TRIGGER = re.compile(
    r"\b(?:ignor\w+|disregard\w*|forget\w*|overrid\w+|bypass\w*|instruct\w+|prompt\w*|pretend\w*|reveal\w*|system|"
    r"assistant\w*|rules?|act as|restrict\w+|guidelines?|model)\b",
    re.IGNORECASE,
)
"""Words that make an eager detector alarm."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text. `kind` is attack, clean or trap (trigger words, no attack); `group` is a kind of attack of its source."""

    source: str
    kind: str
    part: str
    text: str = field(repr=False)
    group: str = ""


@dataclass(frozen=True, slots=True)
class Sets:
    """All texts that were found, and the sets that are not there."""

    texts: tuple[Labelled, ...]
    missing: tuple[str, ...]


def built_in() -> dict[str, Any]:
    """Our own attacks, facts, questions and traps."""
    return dict(yaml.safe_load(TEXTS.read_text(encoding="utf-8")))


def read_sets(data: Path, chosen: Collection[str] | None = None) -> Sets:
    """Every set below `data`, or those that were chosen, and our own traps."""
    texts = [Labelled("own_traps", "trap", HELD_OUT, text) for text in built_in()["traps"]]
    missing: list[str] = []
    for name, read in _READERS.items():
        if chosen is not None and name not in chosen:
            continue
        try:
            texts += read(data / name)
        except (FileNotFoundError, ModuleNotFoundError) as cause:
            missing.append(f"{name}: {type(cause).__name__}")
    texts += _trigger_sentences(texts)
    return Sets(tuple(texts), tuple(missing))


def _half(text: str) -> str:
    return HELD_OUT if hashlib.sha256(text.encode()).digest()[0] % 2 else DEVELOPMENT


def _clean(source: str, texts: Iterable[str]) -> list[Labelled]:
    return [Labelled(source, "clean", _half(text), text) for text in texts if text.strip()]


def _trigger_sentences(texts: Iterable[Labelled]) -> list[Labelled]:
    """The sentences of clean documents that hold a trigger word, each by itself."""
    return [
        Labelled("trigger_sentences", "trap", one.part, sentence)
        for one in texts
        if one.kind == "clean"
        for sentence in _SENTENCE.split(one.text)
        if TRIGGER.search(sentence)
    ]


def _scifact(folder: Path) -> list[Labelled]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return _clean("scifact", (f"{row['title']}\n{row['text']}" for row in rows))


def _cacm(folder: Path) -> list[Labelled]:
    with tarfile.open(folder / "cacm.tar.gz") as archive:
        files = (archive.extractfile(member) for member in archive if member.isfile())
        raw = [file.read().decode("latin-1") for file in files if file is not None]
    return _clean("cacm", (html.unescape(re.sub(r"<[^>]+>", " ", text)) for text in raw))


def _xquad(folder: Path) -> list[Labelled]:
    articles = json.loads((folder / "xquad.en.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = (qa["question"] for paragraph in paragraphs for qa in paragraph["qas"])
    return _clean("xquad_en", (paragraph["context"] for paragraph in paragraphs)) + _clean("xquad_questions", questions)


def _tatqa(folder: Path) -> list[Labelled]:
    contexts = json.loads((folder / "tatqa_dataset_dev.json").read_text(encoding="utf-8"))
    tables = ("\n".join(" | ".join(row) for row in one["table"]["table"]) for one in contexts)
    texts = ("\n".join(paragraph["text"] for paragraph in one["paragraphs"]) for one in contexts)
    return _clean("tatqa_dev", (f"{table}\n{text}" for table, text in zip(tables, texts, strict=True)))


def _wikigold(folder: Path) -> list[Labelled]:
    blocks = (folder / "wikigold.conll.txt").read_text(encoding="utf-8").split("\n\n")
    sentences = (" ".join(line.split()[0] for line in block.splitlines() if line.strip()) for block in blocks)
    return _clean("wikigold", sentences)


def _presidio(folder: Path) -> list[Labelled]:
    rows = json.loads((folder / "generated_large.json").read_text(encoding="utf-8"))
    return _clean("presidio_research", (row["full_text"] for row in rows))


def _bipia(folder: Path) -> list[Labelled]:
    mails = _clean("bipia_email", (row["context"] for row in _lines(folder / "email_train.jsonl")))
    attacks = [
        Labelled("bipia", "attack", DEVELOPMENT, text, group)
        for file in ("text_attack_train.json", "code_attack_train.json")
        for group, texts in json.loads((folder / file).read_text(encoding="utf-8")).items()
        for text in texts
    ]
    return mails + attacks


def _prompt_injection(folder: Path) -> list[Labelled]:
    files = {
        DEVELOPMENT: folder / "neuralchemy_core-train.parquet",
        HELD_OUT: folder / "neuralchemy_core-validation.parquet",
    }
    if not all(file.exists() for file in files.values()):
        raise FileNotFoundError(folder)
    # Not a requirement: nothing else here reads Parquet.
    parquet = importlib.import_module("pyarrow.parquet")
    return [
        Labelled("prompt_injection", "attack" if row["label"] else "trap", part, row["text"], row["category"])
        for part, file in files.items()
        for row in parquet.read_table(file).to_pylist()
    ]


def _bastion(folder: Path) -> list[Labelled]:
    return [
        Labelled(
            "bastioncorpus",
            "attack" if row["label"] == "malicious" else "trap",
            DEVELOPMENT,
            row["text"],
            row["category"],
        )
        for row in _lines(folder / "injections.jsonl")
    ]


def bench_attacks(folder: Path) -> list[dict[str, Any]]:
    """The attacks of *agent_injection_bench* with their canaries; none where the set is not there."""
    file = folder / "attacks.jsonl"
    return list(_lines(file)) if file.exists() else []


def _bench(folder: Path) -> list[Labelled]:
    """Its controls are benign: a runbook, an article about injections, a list of fruit."""
    return [
        Labelled(
            "agent_injection_bench",
            "trap" if row["family"] == "control" else "attack",
            HELD_OUT,
            row["injected"],
            row["family"],
        )
        for row in _lines(folder / "attacks.jsonl")
    ]


def _giskard(folder: Path) -> list[Labelled]:
    with (folder / "prompt_injections.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Labelled(
            "giskard_prompt_injections", "attack", HELD_OUT, row["prompt"], row.get("group") or row.get("name") or ""
        )
        for row in rows
    ]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as opened:
        yield from map(json.loads, opened)


_READERS: dict[str, Callable[[Path], list[Labelled]]] = {
    "scifact": _scifact,
    "cacm": _cacm,
    "xquad_en": _xquad,
    "tatqa_dev": _tatqa,
    "wikigold": _wikigold,
    "presidio_research": _presidio,
    "bipia": _bipia,
    "prompt_injection": _prompt_injection,
    "bastioncorpus": _bastion,
    "agent_injection_bench": _bench,
    "giskard_prompt_injections": _giskard,
}
