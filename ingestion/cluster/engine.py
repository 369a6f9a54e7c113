"""Documents prepared by workers on a Ray cluster. Listing, labels, bytes and writing stay with the run.

Ray's actors, not Ray Data: there, all of the input is known before it flows. Here the run reads a document only when
its turn is near and the database says that it must be, holds a bounded number of them, and writes each in a transaction
of its own. So memory is bounded, and a run that was killed goes on where it ended, as it does without a cluster.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ingestion.cluster.envelope import Envelope, new_key
from ingestion.cluster.fleet import Fleet, connect, import_ray
from ingestion.cluster.place import LEFT_OUT, configured_place
from ingestion.cluster.worker import Answer, Broken, OpenPlace, Order, made_by
from ingestion.engine import Engine, OpenEngine, this_process
from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Isolation, weakest
from ingestion.parts import Masker, Tools
from ingestion.prepare import Prepared, Raw
from ingestion.report import Step
from rag.errors import RingfenceError
from rag.privacy.keys import KeySource

ATTEMPTS = 3
"""A document that takes so many workers with it is refused."""


def on_ray(keys: KeySource, configured: Tools, open_place: OpenPlace = configured_place) -> OpenEngine:
    """The engine of a run: workers on the cluster of RAY_ADDRESS, or on this machine where none is named.

    The nodes have the embedder that is `configured`. For an index that another one makes, this process prepares.
    """

    @asynccontextmanager
    async def opened(tools: Tools, masker: Masker) -> AsyncIterator[Engine]:
        if tools.embedder.digest != configured.embedder.digest:
            async with this_process(tools, masker) as here:
                yield here
            return
        engine = OnRay(import_ray(), tools, masker, keys, open_place)
        try:
            yield engine
        finally:
            await engine.close()

    return opened


class OnRay:
    """An `Engine`. Workers are started with the first document that must be prepared; close it in the end."""

    def __init__(self, ray: Any, tools: Tools, masker: Masker, keys: KeySource, open_place: OpenPlace) -> None:
        self._wanted = tools.settings.ray_workers
        self.in_flight = 2 * self._wanted
        self._ray = ray
        self._tools = tools
        self._masker = masker
        self._keys = keys
        self._open_place = open_place
        self._numbers = itertools.count()
        self._opening = asyncio.Lock()
        self._envelope: Envelope | None = None
        self._fleet: Fleet | None = None
        self._is_ours = False
        self._isolations: set[Isolation | None] = set()

    @property
    def isolation(self) -> Isolation | None:
        """What holds on every node that has answered, and for what is parsed here."""
        known = [one for one in (*self._isolations, self._tools.parser.isolation) if one is not None]
        return weakest(known)

    async def prepare(self, raw: Raw, reached: Callable[[Step], None]) -> Prepared:
        """See `Engine`. The steps are told when all of them are done.

        Raises:
            Refused: it is not to be indexed; or each of several workers was lost with it (crashed).
            Misuse: a node would make something else of it.
            Unavailable: no worker can be started.
        """
        envelope, fleet = await self._opened()
        number = next(self._numbers)
        sealed = envelope.seal(f"raw {number}", raw)
        for _ in range(ATTEMPTS):
            worker = await fleet.take()
            try:
                answer = await worker.prepare.remote(number, sealed)
            except self._ray.exceptions.RayError:
                # The worker, its node, or its answer on the way: another one begins anew.
                fleet.replace(worker)
                continue
            fleet.free(worker)
            opened: Answer = envelope.open(f"answer {number}", answer)
            self._isolations.add(opened.isolation)
            return _prepared(opened.made, reached)
        raise Refused(Reason.CRASHED, f"{ATTEMPTS} workers were lost while they worked on it")

    async def close(self) -> None:
        """End the workers, and the cluster if it was started here."""
        if self._fleet is not None:
            await self._fleet.close()
        if self._is_ours:
            self._ray.shutdown()

    async def _opened(self) -> tuple[Envelope, Fleet]:
        async with self._opening:
            if self._envelope is None or self._fleet is None:
                self._is_ours = connect(self._ray) or self._is_ours
                key, wrapped = await new_key(self._keys)
                self._envelope = Envelope(key, LEFT_OUT)
                masker, tokens = self._envelope.seal("masker", self._masker), self._tools.settings.chunk_tokens
                order = Order(self._open_place, wrapped, masker, tokens, made_by(self._tools))
                self._fleet = Fleet(self._ray, order, self._wanted)
        return self._envelope, self._fleet


def _prepared(made: Prepared | Refused | RingfenceError | Broken, reached: Callable[[Step], None]) -> Prepared:
    if isinstance(made, Broken):
        raise RuntimeError(f"a worker failed with {made.error}")
    if not isinstance(made, Prepared):
        raise made
    steps = (Step.PARSED,) if made.masked is None else (Step.PARSED, Step.MASKED, Step.EMBEDDED)
    for step in steps:
        reached(step)
    return made
