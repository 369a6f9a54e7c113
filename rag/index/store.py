"""The vector index as the house sees it: every read takes a plan, there is no other search."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from policies.plan import Conditions
from rag.domain import SparseVector

FacetKey: TypeAlias = Literal["department", "level"]
"""What admitted chunks may be counted by. Never by who shares or owns them, nor by their walls."""

PayloadValue: TypeAlias = str | int | list[str]
Payload: TypeAlias = Mapping[str, PayloadValue]


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk as the index stores it. `dense` has shape (dim,), L2-normalised."""

    chunk: str
    dense: NDArray[np.float32] = field(repr=False)
    lexical: SparseVector = field(repr=False)
    payload: Payload


@dataclass(frozen=True, slots=True)
class Query:
    """A question in both spaces, made from its index face. Without `dense`, only the lexical branch is asked.

    `made_by` is the digest of the embedder that made `dense`: an index of another one does not take it.
    """

    dense: NDArray[np.float32] | None = field(repr=False)
    lexical: SparseVector = field(repr=False)
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` is cosine in the dense branch and BM25 in the lexical one; higher is better."""

    chunk: str
    score: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Ranked ids of each branch, best first, both under the same filter."""

    dense: tuple[Hit, ...]
    lexical: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A chunk as its point has it: of which document, with which version of its attributes."""

    chunk: str
    document: str
    attribute_version: int


@dataclass(frozen=True, slots=True)
class Page:
    """Chunks in the order of their ids. `after` asks for the next page; None: there is no more."""

    chunks: tuple[Listed, ...]
    after: str | None


class VectorStore(Protocol):
    """One tenant's index. Every adapter passes `tests/contracts/test_vector_store.py`.

    Every read but `points` takes a plan. One that admits nothing is answered without asking the engine.

    Raises `IndexUnavailable` where the engine does not answer or the plan is too large for it, `Damaged` where it
    answers with something that is not a chunk, ValueError for an id that is none. Writes are idempotent.
    """

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        """At most `limit` hits per branch among the chunks that `plan` admits.

        A vector of another embedder than the index's is refused with `IndexUnavailable` (`embedder_mismatch`): near
        and far mean nothing between the spaces of two models.

        Term statistics of the lexical branch count admitted chunks only, so that scores say nothing of others.
        """
        ...

    async def count(self, plan: Conditions) -> int:
        """How many chunks the plan admits, exactly."""
        ...

    async def scroll(self, plan: Conditions, *, after: str | None, limit: int) -> Page:
        """The first `limit` of the chunks that the plan admits, or the first of those after the chunk `after`.

        Following `after` to the end lists every chunk once that was admitted all the while.
        """
        ...

    async def facets(self, plan: Conditions, key: FacetKey) -> Mapping[str, int]:
        """How many chunks the plan admits, exactly, by the value they have under `key`."""
        ...

    async def points(self) -> int:
        """How many points there are, whoever may read them: tells whether the index was lost. For no caller's eyes."""
        ...

    async def upsert(self, points: Sequence[Point]) -> None:
        """Write points durably: acknowledged points survive a kill."""
        ...

    async def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        """Replace the payload of each named chunk; unknown chunks are left out silently."""
        ...

    async def delete(self, chunks: Sequence[str]) -> None:
        """Remove points; unknown chunks are no error."""
        ...

    async def flush(self) -> None:
        """Everything acknowledged so far survives a power cut as well, where that is in our hands."""
        ...

    def publishing(self) -> AbstractAsyncContextManager[None]:
        """Held by `publish`: one at a time, within this process."""
        ...

    async def close(self) -> None: ...
