"""Workers on a Ray cluster: started where there is room, taken for one document at a time, replaced when lost."""

import asyncio
import importlib
import os
from typing import Any

from ingestion.cluster.worker import Order, PreparingWorker
from rag.errors import Misuse, RingfenceError, Unavailable

START_S = 300.0
"""In this time some worker must have been found a place and have loaded its models, and one that was lost, again."""
_NO_CLUSTER = (
    "No worker could be started on the Ray cluster{}. Each needs one free CPU, and on its node this version of "
    "ringfence with its models. Look at the nodes with `ray status`; what is written stays, so run it again."
)


def import_ray() -> Any:
    """The library.

    Raises:
        Misuse: it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise Misuse("The engine ray needs the package ray: pip install 'ringfence[ray]'.", code="no_engine") from None


def connect(ray: Any) -> bool:
    """Whether the connection was made here, and is to be ended here.

    Raises:
        Unavailable: the cluster of RAY_ADDRESS does not answer, or none can be started on this machine.
    """
    if ray.is_initialized():
        return False
    # Nothing of a company's documents, not even their number, is told to anybody.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level="error")
        else:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as cause:
        raise Unavailable(
            f"The Ray cluster at {os.environ.get('RAY_ADDRESS') or 'this machine'} cannot be used "
            f"({type(cause).__name__}). Check RAY_ADDRESS and `ray status`.",
            code="engine_unavailable",
        ) from cause
    return True


class Fleet:
    """So many workers as are wanted, or as many of them as the nodes have room for."""

    def __init__(self, ray: Any, order: Order, wanted: int) -> None:
        """Starts them; `take` waits for the first."""
        self._ray = ray
        self._order = order
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        """Workers that have nothing to do; None once no document can be prepared at all."""
        self._workers: list[Any] = []
        self._loaded: set[Any] = set()
        """Those of the workers that have started and are not known to be lost."""
        self._hiring: set[asyncio.Task[None]] = set()
        self._end: RingfenceError | None = None
        for _ in range(wanted):
            self._hire()

    async def take(self) -> Any:
        """A worker that has nothing to do, and answers. Give it back by `free`, or have it replaced.

        Raises:
            Misuse: a node must not be used.
            Unavailable: no worker can be started.
        """
        while True:
            worker = await self._next()
            try:
                await worker.answers.remote()
                return worker
            except self._ray.exceptions.RayError:
                self.replace(worker)  # Lost while it had nothing to do: no document is to blame.

    def free(self, worker: Any) -> None:
        self._free.put_nowait(worker)

    def replace(self, worker: Any) -> None:
        """A lost worker. Where no node has room for another one, the others go on without it."""
        self._loaded.discard(worker)
        self._workers.remove(worker)
        self._ray.kill(worker)
        self._hire()

    async def close(self) -> None:
        """End all workers."""
        for task in self._hiring:
            task.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        for worker in self._workers:
            self._ray.kill(worker)

    def _hire(self) -> None:
        task = asyncio.create_task(self._hired())
        self._hiring.add(task)
        task.add_done_callback(self._hiring.discard)

    async def _hired(self) -> None:
        """Start a worker wherever there is room; it is free when its models are loaded."""
        actor = self._ray.remote(PreparingWorker).options(num_cpus=1, scheduling_strategy="SPREAD")
        worker = actor.remote(self._order)
        self._workers.append(worker)
        try:
            problem = await worker.start.remote()
        except self._ray.exceptions.RayError as cause:
            self._workers.remove(worker)
            if not self._loaded and len(self._hiring) == 1:
                # Its last line says what a node lacks; no document was handed to anybody yet.
                why = f"{type(cause).__name__}: {(str(cause).strip().splitlines() or [''])[-1][:200]}"
                error = Unavailable(_NO_CLUSTER.format(f" ({why})"), code="engine_unavailable")
                error.__cause__ = cause
                self._give_up(error)
            return
        if problem is None:
            self._loaded.add(worker)
            self._free.put_nowait(worker)
        else:
            code, message = problem
            self._give_up(Misuse(message, code=code))

    async def _next(self) -> Any:
        while True:
            try:
                worker = await asyncio.wait_for(self._free.get(), timeout=START_S)
            except TimeoutError:
                if self._loaded:
                    continue  # All of them have long documents.
                error = Unavailable(_NO_CLUSTER.format(f" in {START_S:.0f} s"), code="engine_unavailable")
                raise error from None
            if worker is not None:
                return worker
            self._free.put_nowait(None)  # For all others that wait.
            if self._end is not None:
                raise self._end

    def _give_up(self, error: RingfenceError) -> None:
        self._end = error
        self._free.put_nowait(None)
