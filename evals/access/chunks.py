"""Chunks as a large company has them: clustered vectors, a few hundred sets of labels, and readers of every width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from policies.check import check
from policies.plan import Conditions, plan
from policies.rules import SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from rag.domain import SparseVector, content_id
from rag.index.payload import payload_of
from rag.index.store import Point

TENANT = "large"
EPOCH = 1
LABELS = 400
SHARES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.3, 0.6)
EVERYTHING = "user:everything"
_CLUSTERS = 1000
_SPREAD = 0.8
"""Length of the noise around a cluster's unit vector: neighbours of a cluster have a cosine of about 0.6."""
_BATCH = 10_000
_CHUNKS_PER_DOCUMENT = 10
_DEPARTMENTS = 40
_TAGS = ("region:eu", "region:us", "project:x", "draft")
_EXTERNAL, _DEAL = "group:external", "compartment:deal"
DRAFTS = 12
"""Readers of a width that are made; the one nearest to it is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunks:
    """`vectors` has shape (n, dim), rows L2-normalised; `label_of[i]` is the place of chunk i's labels in `labels`."""

    vectors: NDArray[np.float32] = field(repr=False)
    label_of: NDArray[np.int32] = field(repr=False)
    labels: tuple[Attributes, ...] = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.label_of)

    def points(self) -> Iterator[list[Point]]:
        """In batches, each with its real payload."""
        nothing = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
        for start in range(0, self.size, _BATCH // 10):
            numbers = range(start, min(start + _BATCH // 10, self.size))
            yield [Point(chunk_name(n), self.vectors[n], nothing, self.payload(n)) for n in numbers]

    def attributes(self, number: int) -> Attributes:
        labels = self.labels[int(self.label_of[number])]
        return replace(labels, document=f"d{number // _CHUNKS_PER_DOCUMENT}")

    def payload(self, number: int) -> dict[str, str | int | list[str]]:
        return {**payload_of(self.attributes(number), version="ver_1", attribute_version=1, policy_epoch=EPOCH)}


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Somebody, the share of all chunks that she may read, and which: `labels_readable` by place of the labels."""

    subject: str
    rules: tuple[Rule, ...] = field(repr=False)
    links: tuple[RoleLink, ...] = field(repr=False)
    plan: Conditions = field(repr=False)
    share: float
    labels_readable: NDArray[np.bool_] = field(repr=False)


def chunk_name(number: int) -> str:
    return content_id("chk", number.to_bytes(16, "big"))


def chunk_number(chunk: str) -> int:
    return int(chunk.removeprefix("chk_"), 16)


def make_chunks(seed: int, size: int, dim: int) -> Chunks:
    random = np.random.default_rng(seed)
    centres = _unit(random.standard_normal((_CLUSTERS, dim), dtype=np.float32))
    vectors = np.empty((size, dim), np.float32)
    for start in range(0, size, _BATCH):
        end = min(start + _BATCH, size)
        vectors[start:end] = _around(random, centres, end - start)
    weights = np.exp(-8 * np.arange(LABELS) / LABELS)
    documents = -(-size // _CHUNKS_PER_DOCUMENT)
    label_of = random.choice(LABELS, documents, p=weights / weights.sum()).astype(np.int32)
    label_of = np.repeat(label_of, _CHUNKS_PER_DOCUMENT)[:size]
    return Chunks(vectors, label_of, _make_labels(Random(seed)))


def make_queries(seed: int, count: int, dim: int) -> NDArray[np.float32]:
    """Questions near the same clusters as the chunks of the same seed."""
    centres = _unit(np.random.default_rng(seed).standard_normal((_CLUSTERS, dim), dtype=np.float32))
    return _around(np.random.default_rng(seed + 1), centres, count)


def make_readers(seed: int, chunks: Chunks) -> list[Reader]:
    """Two readers for each of `SHARES`, one by departments and one by a tangle of rules; and one who reads all."""
    random = Random(seed)
    counts = np.bincount(chunks.label_of, minlength=LABELS)
    everything = Rule(EVERYTHING, TENANT, "read")
    readers = [reader_of(EVERYTHING, [everything], (RoleLink(EVERYTHING, _DEAL, TENANT),), chunks, counts)]
    for share in SHARES:
        for kind, draft in (("departments", _departments), ("tangle", _tangle)):
            subject = f"user:{kind}-{share:g}"
            drafts = [draft(random, subject, share, counts) for _ in range(DRAFTS)]
            link = (RoleLink(subject, _EXTERNAL, TENANT),)
            made = [reader_of(subject, rules, link, chunks, counts) for rules in drafts]
            readers.append(min(made, key=lambda reader: abs(np.log((reader.share + 1e-9) / share))))
    return [reader for reader in readers if reader.share > 0]


def reader_of(
    subject: str, rules: Sequence[Rule], links: tuple[RoleLink, ...], chunks: Chunks, counts: NDArray[np.int64]
) -> Reader:
    """Somebody with these rules and links; `counts` are the chunks of each set of labels."""
    snapshot, caller = Snapshot(TENANT, EPOCH, tuple(rules), links), Caller(TENANT, subject)
    compiled = plan(snapshot, (caller,))
    if not isinstance(compiled, Conditions):
        raise TypeError(f"{subject} may read nothing: {compiled.reason}")
    readable = np.array([check(snapshot, (caller,), "read", found).allowed for found in chunks.labels])
    return Reader(subject, tuple(rules), links, compiled, float(counts[readable].sum() / chunks.size), readable)


def _departments(random: Random, subject: str, share: float, counts: NDArray[np.int64]) -> list[Rule]:
    """Whole departments, in random order, as long as they fit."""
    sizes = counts.reshape(_DEPARTMENTS, -1).sum(axis=1) / counts.sum()
    chosen: list[int] = []
    for number in random.sample(range(_DEPARTMENTS), _DEPARTMENTS):
        if not chosen or sizes[[*chosen, number]].sum() <= share * 1.1:
            chosen.append(number)
    if sizes[chosen].sum() > 2 * share:
        chosen = [int(np.argmin(np.abs(sizes - share)))]
    return [Rule(subject, TENANT, "read", department=f"dept{number}") for number in chosen]


def _tangle(random: Random, subject: str, share: float, counts: NDArray[np.int64]) -> list[Rule]:
    """Rules in every column, and denials: the widest filters there are."""
    rules = _departments(random, subject, share * random.uniform(1.2, 3), counts)
    tangled = [
        replace(
            rule,
            tags=frozenset(random.sample(_TAGS, random.choice((0, 0, 1, 1, 2)))),
            level=random.choice(list(Level)[1:]),
        )
        for rule in rules
        for _ in range(2)
    ]
    departments = {rule.department for rule in rules}
    tangled += [
        Rule(subject, TENANT, "read", department=department, document=SHARED) for department in sorted(departments)
    ]
    denied = random.sample(sorted(departments), min(3, len(departments)))
    tangled += [
        Rule(subject, TENANT, "read", department=name, tags=frozenset({random.choice(_TAGS)}), effect=Effect.DENY)
        for name in denied
    ]
    return list(dict.fromkeys(tangled))


def _make_labels(random: Random) -> tuple[Attributes, ...]:
    """The i-th labels are the i-th most frequent; ten of them in a row are one department's."""
    return tuple(
        Attributes(
            TENANT,
            "labels",
            f"dept{number * _DEPARTMENTS // LABELS}",
            random.choice(list(Level)),
            frozenset(random.sample(_TAGS, random.choice((0, 1, 1, 2)))),
            shares=frozenset({_EXTERNAL} if random.random() < 0.1 else ()),
            denied_shares=frozenset({_EXTERNAL} if random.random() < 0.03 else ()),
            compartments=frozenset({_DEAL} if random.random() < 0.03 else ()),
        )
        for number in range(LABELS)
    )


def _around(random: np.random.Generator, centres: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    dim = centres.shape[1]
    noise = random.standard_normal((count, dim), dtype=np.float32) * np.float32(_SPREAD / np.sqrt(dim))
    return _unit(centres[random.integers(0, len(centres), count)] + noise)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return np.divide(vectors, lengths, dtype=np.float32)
