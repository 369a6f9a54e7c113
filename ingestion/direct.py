"""A sync that a command does by itself, as the table of jobs has it: with a lease, a fence, and an end that is told.

So it stands beside the jobs of workers as one of them: what was handed out before it is overtaken in the transaction
in which it begins, a later sync overtakes it, and what it left undone is not taken for done.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ingestion.leases import Lease, LeaseLost, Progress
from ingestion.queue import LEASE_S, JobQueue
from rag.db.engine import Database
from rag.db.job_table import JobState
from rag.errors import Conflict, RingfenceError

KEEP_S = LEASE_S / 6
INTERRUPTED = "interrupted"


@dataclass(slots=True)
class DirectRun:
    """Write through `database`, and leave counts of what was done in `result`."""

    lease: Lease
    database: Database
    progress: Progress
    result: Mapping[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def direct_run(
    queue: JobQueue,
    tenant: str,
    source: str,
    payload: Mapping[str, Any],
    progress: Progress,
    keep_s: float = KEEP_S,
) -> AsyncIterator[DirectRun]:
    """The job, from before the source is listed until what was read is visible. It ends as the block does.

    `progress` is told with the job, as it is at the moment.

    Raises:
        Conflict: it was cancelled, or a later sync of the source began. What was written before then stays.
    """
    lease = await queue.begin(tenant, source, payload)
    run = DirectRun(lease, queue.fenced(lease), progress)
    keeping = asyncio.create_task(_kept(queue, run, keep_s))
    try:
        yield run
        await queue.finish(lease, run.progress, run.result)
    except LeaseLost as lost:
        raise Conflict(
            f"The job {lease.job}, which is this run, was cancelled, or a later sync of {source!r} has begun, which "
            "sees to the rest. What was read before is kept; `ringfence documents jobs list` shows what is going on.",
            code=LeaseLost.code,
        ) from lost
    except (asyncio.CancelledError, KeyboardInterrupt):
        await _failed(queue, run, INTERRUPTED, JobState.CANCELLED)
        raise
    except Exception as error:
        code = error.code if isinstance(error, RingfenceError) else f"internal:{type(error).__name__}"[:64]
        await _failed(queue, run, code, JobState.DEAD)
        raise
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _failed(queue: JobQueue, run: DirectRun, reason: str, last: JobState) -> None:
    # Where it cannot be written down, the lease ends, which says the same.
    with suppress(SQLAlchemyError):
        await queue.fail(run.lease, reason, last, run.progress)


async def _kept(queue: JobQueue, run: DirectRun, keep_s: float) -> None:
    """Keep the lease until it is lost. Then the next write raises."""
    kept = True
    while kept:
        await asyncio.sleep(keep_s)
        with suppress(SQLAlchemyError):
            kept = await queue.heartbeat(run.lease, run.progress)
