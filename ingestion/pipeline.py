"""THE path of a document: source, parse, mask, chunk, embed, write.

Nothing of a document is kept, logged or embedded before it is masked. Each document is one transaction, so a run
that is killed anywhere and started again gives what an uninterrupted one gives. Publishing comes afterwards
(`ingestion.publishing`): what is written here is not visible yet.

Several documents are on their way at once; what is written is written in the order of the source. So a run leaves
what one document after the other would have left.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from ingestion.digests import made_of
from ingestion.engine import Engine, OpenEngine, this_process
from ingestion.inventory import Inventory, keep_cursor, keep_new_place, take_inventory
from ingestion.parse.document import Reason, Refused
from ingestion.parts import IngestionParts
from ingestion.prepare import Prepared, Raw
from ingestion.redacted import forget_redacted
from ingestion.relabelling import known, left_to_live, not_indexed, relabel, remove, settle_labels, standings
from ingestion.report import Change, Observer, Outcome, Report, Step
from ingestion.run import ListedDocument, Run
from ingestion.sources.protocol import Source, SourceItem
from ingestion.still_held import with_held
from ingestion.writing import REJECTED, held_state, write

_LOOKED_UP = 1000
"""Documents whose standing is held at once."""


def ignore(step: Step, path: str, done: int, total: int) -> None:
    """The observer that looks away."""


def forget(outcome: Outcome) -> None:
    """The same for outcomes."""


async def ingest(
    source: Source,
    tenant: str,
    parts: IngestionParts,
    *,
    dry_run: bool = False,
    allow_empty: bool = False,
    moved: bool = False,
    postpone: bool = False,
    only: Collection[str] | None = None,
    made_by: str = "ingest",
    verify: bool = False,
    alone: bool = False,
    observe: Observer = ignore,
    tell: Callable[[Outcome], None] = forget,
    engine: OpenEngine = this_process,
) -> Report:
    """Bring the tenant's documents of this source up to date with it. A document that fails stops no other.

    In two parts: `postpone` does all but what must be parsed, whose outcome is WAITING; `only` does documents by their
    ids, and leaves the rest of the source as it is. `made_by` is kept with each version: the command, or the job's id.
    `verify` reads every document, whatever the source says of its revision. `alone` fills an index beside the live one,
    and tells why the live one refuses what it does not have. `engine` prepares what is to be written.

    Raises:
        Unavailable: the source cannot be read.
        Misuse: it is empty although documents came from it (see `allow_empty`), or is another place than they came from
            and lacks some of them (see `moved`).
    """
    started = time.monotonic()
    inventory = await take_inventory(
        source,
        tenant,
        parts,
        dry_run=dry_run,
        allow_empty=allow_empty,
        moved=moved,
        verify=verify,
        part=only is not None,
    )
    listing, privacy = inventory.listing, inventory.privacy
    run = Run(source.name, tenant, parts, privacy, dry_run, postpone, verify, alone, made_by)
    items = inventory.items(only)
    # What takes rights away comes before anything that takes time: removed documents, then new labels.
    removed = await _removed(inventory, run) if only is None and parts.index.live else []
    settled = await _settled(items, run)
    outcomes: list[Outcome] = []

    def observed(item: SourceItem) -> Callable[[Step], None]:
        return lambda step: observe(step, item.path, len(outcomes), len(items))

    async with engine(parts, privacy) as opened:
        waiting = (item for item, outcome in zip(items, settled, strict=True) if outcome is None)
        paths = (DocumentPath(run.listed(item), opened, observed(item)) for item in waiting)
        async with aclosing(_walked(paths, opened.in_flight)) as walked:
            for item, already in zip(items, settled, strict=True):
                if already is not None:
                    observed(item)(Step.STARTED)
                outcome = await anext(walked) if already is None else already
                tell(outcome)
                outcomes.append(outcome)
                observed(item)(Step.FINISHED)
    outcomes += removed
    # A listing of what is new does not name what still waits since an earlier one.
    new_only = only is None and not listing.complete
    outcomes = await with_held(outcomes, run, {run.listed(item).id for item in items} if new_only else None)
    unfinished = {outcome.change for outcome in outcomes} & {Change.FAILED, Change.WAITING}
    if not dry_run and only is None and not unfinished:
        async with parts.database.unit_of_work() as session:
            await keep_cursor(session, tenant, inventory)
    notices = () if dry_run else await forget_redacted(tenant, parts, privacy)
    return Report(
        tenant=tenant,
        source=source.name,
        dry=dry_run,
        outcomes=tuple(outcomes),
        # Told once: a part is of a listing whose job tells them.
        skipped=inventory.skipped() if only is None else (),
        notices=(*listing.notices, *notices),
        isolation=opened.isolation,
        seconds=time.monotonic() - started,
    )


async def _removed(inventory: Inventory, run: Run) -> list[Outcome]:
    """What the source no longer has; before, the place that lacks it is kept as the source's."""
    if not run.dry:
        await keep_new_place(run.parts.database, inventory)
    return await remove(list(inventory.gone()), run)


async def _settled(items: Sequence[SourceItem], run: Run) -> list[Outcome | None]:
    """`settle_labels` of each. How they are stored is looked up for some at a time, and not kept."""
    settled: list[Outcome | None] = []
    for start in range(0, len(items), _LOOKED_UP):
        documents = [run.listed(item) for item in items[start : start + _LOOKED_UP]]
        standing = await standings(documents, run)
        if run.parts.index.live:
            settled += await settle_labels(documents, standing, run)
        else:
            settled += left_to_live(documents, standing)
    return settled


async def _walked(paths: Iterator["DocumentPath"], in_flight: int) -> AsyncGenerator[Outcome, None]:
    """What became of each, in order. So many documents at most have gone ahead, the one whose turn it is among them:
    with one, nothing of a document is begun before the one before it has ended.
    """
    ahead: deque[tuple[DocumentPath, asyncio.Task[Arrived]]] = deque()
    try:
        while True:
            while len(ahead) < in_flight and (path := next(paths, None)) is not None:
                ahead.append((path, asyncio.create_task(path.go_ahead())))
            if not ahead:
                return
            path, task = ahead[0]
            arrived = await task
            ahead.popleft()
            yield await path.arrive(arrived)
    finally:
        for _, task in ahead:
            task.cancel()
        await asyncio.gather(*(task for _, task in ahead), return_exceptions=True)


@dataclass(frozen=True, slots=True)
class AsItWas:
    """The content is known, and was made as it would be made now."""

    content: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The content is new, or is to be made anew, and is ready to be written."""

    content: str
    exists: bool
    prepared: Prepared


Arrived = AsItWas | Ready | Refused | Outcome


class DocumentPath:
    """One document on its way: `go_ahead` changes nothing, and may be done while others are written; then `arrive`."""

    def __init__(self, document: ListedDocument, engine: Engine, observe: Callable[[Step], None]) -> None:
        self._document = document
        self._engine = engine
        self.observe = observe

    async def go_ahead(self) -> Arrived:
        """All of the way but its end. What is refused stays so until it is its turn."""
        self.observe(Step.STARTED)
        document, run = self._document, self._document.run
        try:
            document.attributes()
            stored = await known(document)
            newest, way = stored.newest, document.way
            as_now = newest is not None and newest.pipeline_digest == way.pipeline
            if newest is not None and as_now and document.is_of_revision(newest.source_revision):
                return AsItWas(newest.content_digest)
            data = await document.read()
            content = document.content(data)
            if made_of(newest, content, way.pipeline):
                return AsItWas(content)
            if run.postpone:
                return document.outcome(Change.WAITING)
            lacking = run.alone and not stored.exists
            raw = Raw(data, document.item.path, way.hidden, look_only=run.dry or lacking)
            prepared = await self._engine.prepare(raw, self.observe)
            if lacking:
                # The live index would take it, and is the one to begin with.
                raise Refused(Reason.NOT_LIVE)
            return Ready(content, stored.exists, prepared)
        except Refused as refusal:
            return refusal

    async def arrive(self, arrived: Arrived) -> Outcome:
        """What is written of it, and what became of it."""
        document = self._document
        if isinstance(arrived, Outcome):
            return arrived
        try:
            if isinstance(arrived, Refused):
                raise arrived
            if isinstance(arrived, AsItWas):
                return await relabel(document, document.attributes(), arrived.content, self.observe)
            return await self._written(arrived)
        except Refused as refusal:
            return await not_indexed(document, refusal, self.observe)

    async def _written(self, ready: Ready) -> Outcome:
        document, prepared = self._document, ready.prepared
        if prepared.masked is None:
            async with document.run.parts.database.glance() as session:
                held = await held_state(session, document, ready.content, prepared.noticed)
            return self._outcome(ready, held)
        written = await write(document, document.attributes(), ready.content, prepared, prepared.masked, self.observe)
        return replace(
            self._outcome(ready, written.held),
            chunks=len(prepared.chunks),
            erased=written.erased,
            previous_stays=bool(written.held) and written.older_stays,
        )

    def _outcome(self, ready: Ready, held: str) -> Outcome:
        """What was rejected is decided: it waits for nobody, whatever it is made by now."""
        change = Change.CHANGED if ready.exists else Change.NEW
        notes = ready.prepared.notes
        if held:
            change = Change.QUARANTINED
        if held == REJECTED:
            change, notes = Change.UNCHANGED, (*notes, "this content was rejected and stays left out")
        outcome = self._document.outcome(change, flags=ready.prepared.noticed.flags, notes=notes)
        return replace(outcome, hidden=ready.prepared.hidden)
