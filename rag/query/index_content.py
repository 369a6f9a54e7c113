"""What an index holds: which documents it lacks, and whether it is what it was when it was compared."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rag.db.index_versions import IndexVersions
from rag.domain import digest_of
from rag.errors import Conflict

NAMED_MAX = 20


@dataclass(frozen=True, slots=True)
class Content:
    """How many versions an index holds, and a digest of their ids: it changes with whatever is written or removed."""

    versions: int
    digest: str

    @property
    def figures(self) -> Mapping[str, Any]:
        """As it is kept with a comparison."""
        return {"versions": self.versions, "content_digest": self.digest}


async def content_of(indexes: IndexVersions, number: int) -> Content:
    held = await indexes.held(number)
    return Content(len(held), digest_of(held).hex())


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
            "`ringfence index catch-up` reads them; --allow-missing names those that may be left out.",
            code="documents_missing",
        )
    return count


def refuse_changed(figures: Mapping[str, Any], content: Content, number: int) -> None:
    """Return if the index holds what it held when these figures were taken.

    Raises:
        Conflict: it does not (`changed_since`): what they say is of another content.
    """
    if {name: figures.get(name) for name in content.figures} != content.figures:
        raise Conflict(
            f"Index {number} has changed since it was compared, when it held {figures.get('versions', 'other')} "
            f"versions; it holds {content.versions} now. `ringfence index compare` again, while nothing is ingested; "
            "--force goes without.",
            code="changed_since",
        )
