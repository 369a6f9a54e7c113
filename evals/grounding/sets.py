"""Claims with what they are held against: SciFact's, and sentences of xquad_en that were altered."""

import csv
import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.abstention import Paragraph, read_xquad
from policies.rules import Attributes, Level
from rag.domain import Chunk, ReadableChunk, Span
from rag.errors import Misuse
from rag.generation.sentences import Kind
from rag.generation.words import STOPWORDS, content_of, stem
from rag.query.evidence import Evidence
from rag.query.prompt import give

_VERB = re.compile(r"\b(is|are|was|were|can|could|will|would|must|should)\b(?! not\b)")
_NUMBER = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.,])\d+(?![\w.,]\w|%)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b")
_WORDS_MIN = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """A claim and one text. `kind` is SciFact's label, or how the claim was made from a sentence of the text."""

    claim: str = field(repr=False)
    evidence: Evidence = field(repr=False)
    supported: bool
    kind: str
    group: str
    """Pairs of one group are never split between training and held-out part: they share a text or a claim."""


def scifact_pairs(data: Path) -> list[Pair]:
    """Each claim with each abstract that it cites: `support`, `contradict`, or `none` where that says neither.

    Raises:
        Misuse: the files are not there.
    """
    folder = data / "scifact"
    try:
        with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            abstracts = {str(d["_id"]): (d["title"], d["text"]) for d in map(json.loads, lines)}
        with (folder / "claims_train.csv").open(encoding="utf-8", newline="") as rows:
            claims = list(csv.DictReader(rows))
    except OSError as cause:
        raise Misuse(
            f"SciFact is not in {folder} ({cause.strerror}). Name the folder that holds it with --data or "
            "RINGFENCE_EVAL_DATA.",
            code="data_missing",
        ) from cause
    labels: dict[tuple[str, str, str], str] = {}
    for row in claims:
        # Written by numpy: numbers in brackets, without commas.
        cited = [row["evidence_doc_id"]] if row["evidence_doc_id"] else re.findall(r"\d+", row["cited_doc_ids"])
        for abstract in cited:
            labels[row["id"], row["claim"], abstract] = row["evidence_label"].lower() or "none"
    groups = _joined([(claim, abstract) for claim, _, abstract in labels])
    evidence = {name: evidence_of(name, *abstracts[name]) for _, _, name in labels if name in abstracts}
    return [
        Pair(claim, evidence[name], label == "support", label, groups[number])
        for (number, claim, name), label in labels.items()
        if name in evidence
    ]


def altered_pairs(data: Path, seed: int) -> list[Pair]:
    """Sentences of xquad_en, said otherwise (supported) or made to say something else (not supported)."""
    rng = random.Random(seed)
    pairs = []
    for at, paragraph in enumerate(read_xquad(data)):
        evidence = evidence_of(str(at), "", paragraph.text)
        for sentence in evidence.sentences:
            text = sentence.of(paragraph.text)
            if sentence.kind is Kind.PROSE and len(text.split()) >= _WORDS_MIN and not text.endswith("?"):
                made = _alterations(text, paragraph, rng)
                pairs += [Pair(claim, evidence, kind == "reworded", kind, str(at)) for kind, claim in made]
    return pairs


def evidence_of(name: str, title: str, text: str) -> Evidence:
    attributes = Attributes("eval", name, "science", Level.PUBLIC)
    chunk = Chunk(name, name, "ver_1", 0, Span(0, len(text)), None, "", text)
    return Evidence(give([ReadableChunk(chunk, attributes, 1, title)], len(title) + len(text))[0])


def _alterations(text: str, paragraph: Paragraph, rng: random.Random) -> Iterator[tuple[str, str]]:
    first = text.split()[0]
    if first.lower() in STOPWORDS:
        yield "reworded", f"Overall, {first.lower()}{re.sub(r' [(][^()]*[)]', '', text[len(first) :])}"
    if verb := _VERB.search(text):
        yield "negated", f"{text[: verb.end()]} not{text[verb.end() :]}"
    if number := _NUMBER.search(text):
        changed = str(int(number[0].replace(",", "")) + rng.randint(1, 9))
        yield "number", text[: number.start()] + changed + text[number.end() :]
        said = [other for other in _NUMBER.findall(paragraph.text) if other not in text]
        if said:
            yield "number of the text", text[: number.start()] + rng.choice(said) + text[number.end() :]
    words = content_of(text).words
    others = [name for name in _NAME.findall(paragraph.text) if stem(name.lower()) not in words]
    if others and (name := _NAME.search(text)):
        yield "name of the text", text[: name.start()] + rng.choice(others) + text[name.end() :]
    names = list(dict.fromkeys(_NAME.findall(text)))
    if len(names) > 1 and all(len(re.findall(rf"\b{name}\b", text)) == 1 for name in names[:2]):
        one, other = names[:2]
        between = text[text.index(one) + len(one) : text.index(other)]
        # Neighbours in one name, or in a list, say the same in either order.
        if len(between.split()) > 1 and "," not in between and " and " not in between:
            yield "names swapped", re.sub(rf"\b(?:{one}|{other})\b", lambda m: other if m[0] == one else one, text)


def _joined(links: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The group of each claim: claims that share an abstract, directly or over others, are one."""
    claims: dict[str, set[str]] = defaultdict(set)
    texts: dict[str, set[str]] = defaultdict(set)
    for claim, text in links:
        claims[claim].add(text)
        texts[text].add(claim)
    group: dict[str, str] = {}
    for claim in claims:
        waiting = [claim]
        while waiting:
            one = waiting.pop()
            if one not in group:
                group[one] = claim
                waiting += [other for text in claims[one] for other in texts[text]]
    return group
