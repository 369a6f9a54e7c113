"""What an index holds: which documents it lacks, and whether it is still what was compared."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from rag.db.index_versions import IndexVersions
from rag.errors import Conflict

NAMED_MAX = 20
CHANGED_SHARE = 0.05
"""Of the versions that were compared, so many may be new or gone: it moves a figure by less than a sample does."""


async def content_of(indexes: IndexVersions, number: int) -> Mapping[str, Any]:
    """What a comparison keeps of what it is of: how many versions the index holds at this moment."""
    return {"versions": await indexes.held(number), "content_at": datetime.now(UTC).isoformat()}


async def lacking(indexes: IndexVersions, number: int, allowed: Collection[str] | None) -> int:
    """How many documents that people see are not in the index. `allowed` are ids of those that may; None: any.

    Raises:
        Conflict: others are missing as well (`documents_missing`); some are named.
    """
    may = frozenset(allowed or ())
    count, rows = await indexes.missing(number, limit=len(may) + NAMED_MAX)
    refused = [row.id for row in rows if row.id not in may]
    if refused and allowed is not None:
        named = ", ".join(refused[:NAMED_MAX])
        raise Conflict(
            f"{count} documents that people see are not in index {number}, and would be seen no more: {named}. "
            "`ringfence index catch-up` reads them, and tells which of their files fail now. For those, "
            "--allow-missing names what may be seen no more, or `ringfence documents delete` removes it.",
            code="documents_missing",
        )
    return count


async def refuse_changed(figures: Mapping[str, Any], indexes: IndexVersions, number: int) -> None:
    """Return if the index holds nearly what it held when these figures were taken: ingestion need not stand still.

    Raises:
        Conflict: it does not (`changed_since`): what they say is of another content.
    """
    then, now = int(figures.get("versions", 0)), await indexes.held(number)
    new = await indexes.held(number, datetime.fromisoformat(figures["content_at"])) if then else now
    gone = then + new - now
    if max(new, gone) > CHANGED_SHARE * then:
        raise Conflict(
            f"Index {number} has changed since it was compared: it held {then or 'other'} versions, and holds {now} "
            f"now, of which {new} are newer. `ringfence index compare` again; --force goes without.",
            code="changed_since",
        )
