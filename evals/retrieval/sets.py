"""The public sets of `ringfence eval retrieval`, and the halves that their questions fall into.

    scifact      claims of the training part, each with the abstracts that it cites
    cacm         topics with judged records of the Communications of the ACM
    xquad_en     questions about paragraphs: nearly all are found, so this shows that nothing is broken
    tatqa_dev    questions about tables with text: each reads its own context, so many words stand in several

What is tuned is tuned on the half `tune`; the half `test` is scored when somebody asks for the final score.
"""

import csv
import gzip
import hashlib
import html
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from evals.abstention import read_xquad
from rag.errors import Misuse

Half = Literal["tune", "test"]
_TOPIC = re.compile(r"<DOCNO>\s*(\d+)\s*</DOCNO>(.*?)</DOC>", re.DOTALL)
_NUMBERS = re.compile(r"\s*\d+\s+\d+\s+\d+\s*")
"""A line of who cites whom, at the end of a record."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """`documents` and `queries` by id; `judgements` by query: the ids of its right documents."""

    documents: Mapping[str, str] = field(repr=False)
    queries: Mapping[str, str] = field(repr=False)
    judgements: Mapping[str, frozenset[str]] = field(repr=False)
    name: str = ""


def half_of(name: str, query: str) -> Half:
    """The half of a question, by a hash of its id in the set `name`: the same in every run, whatever else is there."""
    return "test" if hashlib.sha256(f"{name} {query}".encode()).digest()[0] % 2 else "tune"


def only(dataset: Dataset, half: Half) -> Dataset:
    """The set with the questions of one half."""
    kept = [query for query in dataset.queries if half_of(dataset.name, query) == half]
    return replace(
        dataset,
        queries={query: dataset.queries[query] for query in kept},
        judgements={query: dataset.judgements[query] for query in kept},
    )


def read_set(name: str, data: Path, limit: int | None = None) -> Dataset:
    """The set below `data`. With `limit`, so many questions and ten documents for each, right ones first.

    Raises:
        Misuse: its files are not there.
    """
    try:
        dataset = replace(READERS[name](data / name), name=name)
    except OSError as cause:
        raise Misuse(
            f"The set {name} is not in {data / name} ({cause.strerror}). Name the folder that holds it with --data or "
            "RINGFENCE_EVAL_DATA.",
            code="data_missing",
        ) from cause
    return dataset if limit is None else _cut(dataset, limit)


def read_scifact(data: Path, limit: int | None = None) -> Dataset:
    """SciFact from `data`/scifact. Raises as `read_set`."""
    return read_set("scifact", data, limit)


def _cut(dataset: Dataset, limit: int) -> Dataset:
    queries = dict(list(dataset.queries.items())[:limit])
    right = frozenset[str]().union(*(dataset.judgements[query] for query in queries))
    ordered = sorted(dataset.documents, key=lambda document: document not in right)
    kept = ordered[: max(len(right), 10 * limit)]
    return replace(
        dataset,
        documents={document: dataset.documents[document] for document in kept},
        queries=queries,
        judgements={query: dataset.judgements[query] for query in queries},
    )


def _scifact(folder: Path) -> Dataset:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        corpus = {str(d["_id"]): f"{d['title']}\n{d['text']}" for d in map(json.loads, lines)}
    with (folder / "claims_train.csv").open(encoding="utf-8", newline="") as rows:
        claims = [(row["id"], row["claim"], _cited(row["cited_doc_ids"])) for row in csv.DictReader(rows)]
    chosen = {name: (claim, cited & corpus.keys()) for name, claim, cited in claims if cited & corpus.keys()}
    return Dataset(corpus, {q: c for q, (c, _) in chosen.items()}, {q: frozenset(d) for q, (_, d) in chosen.items()})


def _cited(value: str) -> frozenset[str]:
    # Written by numpy: numbers in brackets, without commas.
    return frozenset(re.findall(r"\d+", value))


def _cacm(folder: Path) -> Dataset:
    documents: dict[str, str] = {}
    with tarfile.open(folder / "cacm.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                plain = html.unescape(re.sub(r"<[^>]+>", " ", file.read().decode("latin-1")))
                lines = [line for line in plain.splitlines() if not _NUMBERS.fullmatch(line)]
                documents[Path(member.name).stem] = "\n".join(lines).strip()
    topics = (folder / "topics.cacm.txt").read_text(encoding="latin-1")
    queries = {match[1]: " ".join(match[2].split()) for match in _TOPIC.finditer(topics)}
    judged: dict[str, set[str]] = {}
    for line in (folder / "qrels.cacm.txt").read_text(encoding="utf-8").splitlines():
        topic, _, document, relevance = line.split()
        if int(relevance) > 0:
            judged.setdefault(topic, set()).add(document)
    kept = {topic: text for topic, text in queries.items() if topic in judged}
    return Dataset(documents, kept, {topic: frozenset(judged[topic]) for topic in kept})


def _xquad(folder: Path) -> Dataset:
    paragraphs = read_xquad(folder.parent)
    documents = {str(number): paragraph.text for number, paragraph in enumerate(paragraphs)}
    asked = [(text, str(number)) for number, paragraph in enumerate(paragraphs) for text, _ in paragraph.questions]
    queries = {f"q{number}": text for number, (text, _) in enumerate(asked)}
    return Dataset(documents, queries, {f"q{number}": frozenset({right}) for number, (_, right) in enumerate(asked)})


def _tatqa(folder: Path) -> Dataset:
    contexts = json.loads((folder / "tatqa_dataset_dev.json").read_text(encoding="utf-8"))
    documents: dict[str, str] = {}
    queries: dict[str, str] = {}
    judgements: dict[str, frozenset[str]] = {}
    for one in contexts:
        name = one["table"]["uid"]
        paragraphs = "\n".join(paragraph["text"] for paragraph in one["paragraphs"])
        table = "\n".join(" | ".join(filter(None, row)) for row in one["table"]["table"])
        documents[name] = f"{paragraphs}\n{table}"
        for asked in one["questions"]:
            queries[asked["uid"]] = asked["question"]
            judgements[asked["uid"]] = frozenset({name})
    return Dataset(documents, queries, judgements)


READERS: Mapping[str, Callable[[Path], Dataset]] = {
    "scifact": _scifact,
    "cacm": _cacm,
    "xquad_en": _xquad,
    "tatqa_dev": _tatqa,
}
SMOKE = frozenset({"xquad_en", "tatqa_dev"})
"""Sets whose figures are told and not held against goals: they are saturated, or were made for another purpose."""
