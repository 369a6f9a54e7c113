"""`ringfence worker`: works on queued jobs until it is told to stop."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry
from rich.console import Console

from ingestion.commands.ingesting import open_parts
from ingestion.commands.printing import plain
from ingestion.commands.shared import PARTLY_DONE, owner
from ingestion.jobs import JobParts, open_configured
from ingestion.leases import Lease
from ingestion.publishing import publish_documents
from ingestion.queue import JobQueue
from ingestion.worker import End, Worker
from ingestion.worker_door import WorkerMetrics, new_registry, open_door
from policies.commands.options import DataDir
from rag.db.engine import Database
from rag.ingestion_settings import IngestionSettings
from rag.settings import Settings, load_settings
from rag.telemetry.export import open_tracing

_ENDS: Mapping[End, str] = {
    "done": "done",
    "failed": "failed ({}), will be tried again",
    "dead": "failed ({}) for the last time: `ringfence documents jobs retry` queues it again",
    "lost": "stopped: it was cancelled, a later sync sees to it, or it is somebody else's now",
    "given_back": "given back",
}


def worker(
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Jobs at once. They share the models.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to do.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Work on queued jobs until Ctrl-C or SIGTERM. Start as many as you like, on any machine that sees the sources.

    Told to stop, it takes no more jobs, lets those it has end for some seconds, and gives back the rest; told twice, it
    gives them back at once. Killed, it loses nothing: another worker goes on.
    Exit code 3: with --once, a job failed for the last time.
    """
    if asyncio.run(_work(load_settings(data_dir=data_dir), jobs, once=once)):
        raise typer.Exit(PARTLY_DONE)


async def _work(settings: Settings, jobs: int, *, once: bool) -> int:
    """How many jobs ended dead."""
    talk = Console(stderr=True, highlight=False)

    registry = new_registry()
    metrics = WorkerMetrics(registry)

    def tell(lease: Lease, end: End, reason: str) -> None:
        metrics.ended(end)
        about = f"{lease.job} ({lease.kind} of {lease.source}, tenant {lease.tenant})"
        talk.print(plain(f"{about}: {_ENDS[end].format(reason)}"), soft_wrap=True)

    async with open_parts(settings) as parts:

        async def publish(database: Database, tenant: str) -> object:
            return await publish_documents(settings, database, parts.embedder.dim, tenant)

        with open_tracing(settings.telemetry) as tracing:
            working = Worker(
                JobQueue(parts.database, owner()),
                JobParts(parts, open_configured(settings), publish, tracing),
                jobs,
                tell,
            )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, working.stop)
            metrics.watch(in_hand=lambda: working.in_hand, silent_s=working.silent_s)
            with _door(settings.ingestion, registry, working):
                talk.print("Waiting for jobs. Ctrl-C stops.")
                await working.run(once=once)
    return working.died if once else 0


def _door(
    settings: IngestionSettings, registry: CollectorRegistry, working: Worker
) -> AbstractContextManager[int | None]:
    if settings.worker_port is None:
        return nullcontext()
    return open_door(settings.worker_host, settings.worker_port, registry, working.silent_s)
