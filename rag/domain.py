"""The words of the house as types. Frozen, parsed once at the edge, trusted afterwards.

Fields that may hold document text or personal data are left out of `repr`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from policies.rules import Attributes, Caller, Level, Tightening


class PrincipalSource(StrEnum):
    """How the caller proved who she is."""

    API_KEY = "api_key"
    SIGNED_TOKEN = "signed_token"  # noqa: S105 - the name of a way to prove identity
    NAMED_BY_KEY = "named_by_key"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - likewise
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated person a question is answered for, and the assistant that asks on her behalf.

    What may be read is what *both* may read: neither can widen the other.
    """

    tenant: str
    person: str
    groups: frozenset[str]
    assistant: str | None
    source: PrincipalSource

    @property
    def callers(self) -> tuple[Caller, ...]:
        """Everyone who must be allowed: the person, and the assistant if there is one."""
        person = Caller(self.tenant, self.person, self.groups)
        return (person,) if self.assistant is None else (person, Caller(self.tenant, self.assistant))


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` (inclusive) to `end` (exclusive) of a version's reading-face text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start}..{self.end}")


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """Term ids and weights of one text: `indices` uint32 ascending and unique, `values` float32, same length."""

    indices: NDArray[np.uint32] = field(repr=False)
    values: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A retrievable piece of one document version. `text` is the reading face (masked)."""

    id: str
    document: str
    version: str
    ordinal: int
    span: Span
    page: int | None
    heading: str = field(repr=False)
    text: str = field(repr=False)
    tightening: Tightening = field(default=Tightening())


@dataclass(frozen=True, slots=True)
class ReadableChunk:
    """A chunk that passed the check for one principal at one epoch, with what a citation needs.

    `attributes` are the ones from SQL that the decision was made on; `title` is masked.
    """

    chunk: Chunk
    attributes: Attributes
    attribute_version: int
    title: str = field(repr=False)
    score: float = 0.0
    """Fused rank score: comparable within one question only."""
    similarity: float = 0.0
    """Cosine between question and chunk in the index face, -1..1; 0 where only the words matched."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A claim's link to a span that was verified to be in the chunk. `span` counts in the document version."""

    number: int
    document: str
    version: str
    chunk: str
    title: str = field(repr=False)
    page: int | None
    span: Span
    quote: str = field(repr=False)
    level: Level


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer with the numbers of the citations that support it."""

    text: str = field(repr=False)
    citations: tuple[int, ...]

    @property
    def supported(self) -> bool:
        """Nothing else than a citation supports a claim: one that has none stands in the answer marked as such."""
        return bool(self.citations)


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds by stage, in the order of the path. What authorisation costs is `plan` plus `check`.

    `counts` are numbers of this question by name, `first_ms` is when its first claim was ready to leave.
    """

    stages: tuple[tuple[str, float], ...]
    counts: tuple[tuple[str, int], ...] = ()
    first_ms: float | None = None

    @property
    def total_ms(self) -> float:
        return sum(ms for _, ms in self.stages)


@dataclass(frozen=True, slots=True)
class GuardCodes:
    """What was noticed that speaks to a model: codes of the question, and of passages that this reader may read."""

    question: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What leaves the house. `found` is False when the readable documents do not hold the answer."""

    id: str
    found: bool
    claims: tuple[Claim, ...] = field(repr=False)
    citations: tuple[Citation, ...] = field(repr=False)
    text: str = field(repr=False)
    level: Level
    epoch: int
    model: str
    timings: Timings
    guard: GuardCodes = GuardCodes()


def content_id(prefix: str, digest: bytes) -> str:
    """A printable id of 128 bits: `prefix_` and 32 hexadecimal digits."""
    return f"{prefix}_{digest[:16].hex()}"


def digest_of(parts: Iterable[str | bytes]) -> bytes:
    """SHA-256 over the parts, each preceded by its length, so that no two lists of parts can collide.

    Not for personal values: those take a keyed digest (`rag.privacy.keys`).
    """
    state = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.digest()
