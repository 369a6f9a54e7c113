"""What both adapters share: names, sizes and checks of points, and merging what several searches found."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from uuid import UUID

from rag.domain import content_id, digest_of
from rag.errors import Damaged, IndexUnavailable
from rag.index.payload import INTEGERS, LABELS_KEY, LISTS, SEAL, SEAL_KEY, TEXTS, labels_digest
from rag.index.store import Hit, Hits, Payload, Point, Query

DENSE = "dense"
LEXICAL = "lexical"
_CHUNK_PREFIX = "chk"
_CHUNK = re.compile(_CHUNK_PREFIX + r"_[0-9a-f]{32}")
"""Exactly as `content_id` writes it: another spelling would be another name of the same point."""


def tenant_name(tenant: str, number: int = 1) -> str:
    """A name for the folder or collection of a tenant's index of this number: safe on every file system, never the
    same for two tenants."""
    name = content_id("tenant", digest_of(["index", tenant]))
    return name if number == 1 else f"{name}-{number}"


def point_id(chunk: str) -> str:
    """The engine's id of a chunk: its 128 bits as a UUID.

    Raises:
        ValueError: not a chunk id.
    """
    if not _CHUNK.fullmatch(chunk):
        raise ValueError(f"{chunk!r} is not a chunk id")
    return str(UUID(hex=chunk.removeprefix(f"{_CHUNK_PREFIX}_")))


def chunk_id(point: object) -> str:
    """The chunk of an engine's id: the reverse of `point_id`.

    Raises:
        Damaged: no chunk has such an id, so nothing of that answer is believed.
    """
    try:
        return content_id(_CHUNK_PREFIX, UUID(str(point)).bytes)
    except ValueError as cause:
        raise damaged(f"a point {point!r}, which is no chunk's") from cause


def check_query(query: Query, *, tenant: str, embedder: str) -> None:
    """Return if the index of `embedder`, a digest, may be asked with this question.

    Raises:
        IndexUnavailable: another embedder made its vector.
    """
    if query.dense is not None and query.made_by != embedder:
        raise IndexUnavailable(
            f"The index of tenant {tenant!r} was made by another embedder than the question; nothing was searched. "
            "Set RINGFENCE_EMBEDDING__MODEL back to the one it was made by; `ringfence index build` makes an index of "
            "another one.",
            code="embedder_mismatch",
        )


def check_points(points: Sequence[Point], *, tenant: str, dim: int) -> None:
    """Return if all of `points` may be written to the index of `tenant`.

    Raises:
        ValueError: another tenant's point, one without the seal, one of another size, or not a chunk's.
    """
    for point in points:
        point_id(point.chunk)
        check_payload(point.payload, tenant=tenant)
        if point.dense.shape != (dim,):
            raise ValueError(f"{point.chunk} has a vector of shape {point.dense.shape}, not ({dim},)")


def check_payload(payload: Payload, *, tenant: str) -> None:
    """Return if `payload` is sealed, the tenant's, and of the types that filters count on.

    Engines match a list where any of its values does, and a missing key where something must not be.

    Raises:
        ValueError: it is not.
    """
    if payload.get("tenant") != tenant or payload.get(SEAL_KEY) != SEAL:
        raise ValueError(f"a payload without seal, or of another tenant, cannot enter the index of {tenant!r}")
    kinds = ((TEXTS, str), (LISTS, list), (INTEGERS, int))
    if not all(type(payload.get(key)) is kind for keys, kind in kinds for key in keys):
        raise ValueError(f"a payload with a label missing or of the wrong type cannot enter the index of {tenant!r}")
    if payload[LABELS_KEY] != labels_digest(payload):
        raise ValueError(f"a payload whose digest is not of its labels cannot enter the index of {tenant!r}")


def by_payload(payloads: Mapping[str, Payload]) -> list[tuple[list[str], Payload]]:
    """Point ids grouped by equal payload: the chunks of a document mostly share one, and so one write."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    example: dict[str, Payload] = {}
    for chunk, payload in payloads.items():
        key = repr(sorted(payload.items()))
        groups[key].append(point_id(chunk))
        example[key] = payload
    return [(ids, example[key]) for key, ids in groups.items()]


def merge(
    dense: Sequence[Iterable[tuple[object, float]]], lexical: Sequence[Iterable[tuple[object, float]]], limit: int
) -> Hits:
    """What the parts of a plan found, as one: (id, score) rankings of every part, for each branch."""
    words = [[(point, score) for point, score in ranking if score > 0] for ranking in lexical]
    return Hits(_best(dense, limit), _best(words, limit))


def _best(rankings: Sequence[Iterable[tuple[object, float]]], limit: int) -> tuple[Hit, ...]:
    """The `limit` best, each chunk once; exact when every ranking holds the `limit` best of its part.

    A chunk that two parts found has the same score in both: neither the vectors nor the term statistics
    depend on the part.
    """
    scores: dict[str, float] = {}
    for point, score in chain.from_iterable(rankings):
        chunk = chunk_id(point)
        scores[chunk] = max(score, scores.get(chunk, score))
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Hit(chunk, score) for chunk, score in ranked[:limit])


def damaged(what: str) -> Damaged:
    """The error for an answer that no index of ours can give."""
    return Damaged(
        f"The index answered with {what}; nothing was returned. It holds nothing that the database does not: remove "
        "it; the next start writes it again."
    )
