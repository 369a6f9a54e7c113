"""Pages of admitted chunks and counts of them, from what the engines answer."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, get_args

from rag.errors import IndexUnavailable
from rag.index.points import chunk_id, damaged
from rag.index.store import FacetKey, Listed, Page

LISTED = ("document", "attribute_version")
"""What a listing reads of a payload."""

FACETS_MAX = 10_000
"""Values that chunks are counted by at most."""


def page_of(
    parts: Iterable[Iterable[tuple[object, Mapping[str, Any] | None]]], *, after: str | None, limit: int
) -> Page:
    """The first `limit` of what the parts of a plan list after the chunk `after`, each once.

    Exact when every part lists `listed_max(limit)` points from `after` on, or all that there are.

    Raises:
        Damaged: a point that is no chunk's, or without what a listing shows.
    """
    found = {chunk_id(point): payload or {} for point, payload in chain.from_iterable(parts)}
    ordered = sorted(chunk for chunk in found if after is None or chunk > after)
    shown = ordered[:limit]
    return Page(
        tuple(_listed(chunk, found[chunk]) for chunk in shown), shown[-1] if len(ordered) > len(shown) else None
    )


def listed_max(limit: int) -> int:
    """How many points to ask of the engine: the one to start after, the page, and one to tell whether more follow.

    Raises:
        ValueError: a page without room for a chunk would never come to an end.
    """
    if limit < 1:
        raise ValueError(f"a page holds at least one chunk, not {limit}")
    return limit + 2


def check_facet(key: str) -> None:
    """Return if chunks may be counted by `key`.

    Raises:
        ValueError: they may not.
    """
    if key not in get_args(FacetKey):
        raise ValueError(f"chunks are not counted by {key!r}")


def counts_of(found: Iterable[tuple[object, int]], key: str) -> dict[str, int]:
    """Counts by value, in the order of the values.

    Raises:
        IndexUnavailable: so many values that some may be missing.
    """
    counts = sorted((str(value), count) for value, count in found if count)
    if len(counts) > FACETS_MAX:
        raise IndexUnavailable(
            f"There are more than {FACETS_MAX} values under {key!r}, too many to count by. Nothing was counted.",
            code="too_many_values",
        )
    return dict(counts)


def _listed(chunk: str, payload: Mapping[str, Any]) -> Listed:
    document, attribute_version = (payload.get(key) for key in LISTED)
    if not isinstance(document, str) or not isinstance(attribute_version, int):
        raise damaged(f"chunk {chunk} without a document or a version of its attributes")
    return Listed(chunk, document, attribute_version)
