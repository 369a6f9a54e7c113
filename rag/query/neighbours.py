"""What stands right before and after the chunks that were found: a question's words may stand beside its answer.

A neighbour is no hit, so nothing has decided about it yet: each one is checked as a hit is, on its own labels, which
may be stricter than those of the chunk it stands beside. One that may not be read is not there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from rag.db.documents import Documents
from rag.domain import Principal
from rag.errors import PolicyUnreadable
from rag.query.clock import StageClock
from rag.query.decide import as_readable, check_chunks
from rag.query.found import Retrieval
from rag.query.guard import noticed
from rag.query.parts import QueryParts


async def with_neighbours(
    retrieval: Retrieval, principal: Principal, parts: QueryParts, clock: StageClock
) -> Retrieval:
    """The retrieval with the readable neighbours of each chunk, as many on either side as `service.neighbours` says.

    Raises:
        PolicyUnreadable: it cannot be told which may be read.
    """
    distance, hits = parts.settings.service.neighbours, [found.chunk.id for found in retrieval.chunks]
    if not distance or not hits:
        return retrieval
    with clock.stage("check"):
        beside = await _beside(hits, distance, principal.tenant, parts)
        wanted = {chunk for chunks in beside.values() for chunk in chunks} - set(hits)
        current, allowed = await check_chunks(parts, retrieval.snapshot, principal, wanted)
    readable = {chunk: as_readable(found) for chunk, found in current.items() if chunk in allowed}
    with clock.stage("guard"):
        flagged = await asyncio.to_thread(noticed, readable.values())
    for codes in flagged.values():
        parts.metrics.noticed("passage", codes)
    neighbours = {hit: tuple(readable[one] for one in beside.get(hit, ()) if one in readable) for hit in hits}
    return replace(retrieval, neighbours=neighbours, flagged={**retrieval.flagged, **flagged})


async def _beside(hits: Sequence[str], distance: int, tenant: str, parts: QueryParts) -> dict[str, list[str]]:
    try:
        async with parts.database.glance() as session:
            return await Documents(session).beside(tenant, hits, distance)
    except (SQLAlchemyError, OSError) as cause:
        raise PolicyUnreadable("What stands beside the passages could not be read, so nothing was answered.") from cause
