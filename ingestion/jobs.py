"""What the kinds of jobs do. Both walk the path of a document; the work of a job is safe to be done twice.

sync        lists a source, compares, and does what needs no reading: new labels, removals. What must be parsed it
            hands out as parts
documents   a part of a sync: some documents of it, parsed, masked, embedded, written
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ingestion.archives import UnpackedSource
from ingestion.cursors import MADE_OTHERWISE, Cursor, cursor_of, kept, mark_of
from ingestion.indexes import and_beside, indexes_of
from ingestion.inventory import pipeline_now
from ingestion.leases import Lease, Progress
from ingestion.parse.document import Reason
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Outcome, Report, Step
from ingestion.sources.configuration import open_source
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Listing, Source, SourcePlace
from ingestion.spans import DocumentSpans
from rag.db.engine import Database
from rag.db.job_table import SYNC
from rag.db.jobs import NewJob
from rag.errors import Misuse, RingfenceError, Unavailable
from rag.settings import Settings
from rag.telemetry.tracing import NO_TRACING, Tracing

DOCUMENTS = "documents"
PART = 16
"""Documents in one part: some ten seconds of work, which is what a worker that is told to stop may have to finish."""
LISTINGS = 2
"""Of different syncs; and of one sync: what is new, and everything, where that does not say enough."""
LISTED_S = 30.0
LISTED_TIMES = 10
"""A listing serves the parts of its sync for so long, or ten times as long as it took: listing is then a tenth of the
work at most."""

WAITED_FOR = Reason.OCR_UNAVAILABLE
"""Why a document is not indexed that could be a little later."""

OpenSource = Callable[[Lease], Source]
Publish = Callable[[Database, str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Done:
    """What is kept of a job that was done: counts, and what it hands out.

    `again`: why it is tried again, once what it wrote is visible.
    """

    result: Mapping[str, Any]
    parts: tuple[NewJob, ...] = ()
    again: RingfenceError | None = None


@dataclass(frozen=True, slots=True)
class JobParts:
    """What the work of a job needs: the parts of ingestion, and how documents become visible."""

    ingestion: IngestionParts
    open_source: OpenSource
    publish: Publish
    tracing: Tracing = NO_TRACING
    listings: "Listings" = field(default_factory=lambda: Listings())

    def opened(self, lease: Lease) -> Source:
        """The source of a job, with its archives opened: once for all parts that a listing serves."""
        return UnpackedSource(self.open_source(lease), self.ingestion.parser, self.ingestion.settings.file_bytes_max)


async def do(lease: Lease, database: Database, parts: JobParts, tell: Callable[[Progress], None]) -> Done:
    """The work of a job but for publishing; all that it writes goes through `database`.

    Raises:
        LeaseLost: somebody else has the job now.
        Misuse: there is no such kind of job.
        Unavailable: its source cannot be read, or documents wait for a service that does not answer. All others are
            done, and stay so.
    """
    if lease.kind not in (SYNC, DOCUMENTS):
        raise Misuse(f"There are no jobs of the kind {lease.kind!r}.", code="unknown_job")
    source = parts.listings.of(lease, parts.opened)
    ingestion = replace(parts.ingestion, database=database)
    spans = DocumentSpans(parts.tracing, _observer(tell))
    watched = partial(ingest, source, lease.tenant, made_by=f"job:{lease.job}", observe=spans)
    watched = partial(watched, tell=spans.tell, verify=bool(lease.payload.get("verify", False)))
    live, *beside = await indexes_of(ingestion, lease.tenant)
    # Before the work: what is changed meanwhile makes the digest an old one, and then all is read again.
    pipeline = await pipeline_now(lease.tenant, live, known=lease.kind == DOCUMENTS)
    if lease.kind == DOCUMENTS:
        watched = partial(watched, only=frozenset(lease.payload["documents"]))
        report = await and_beside(await watched(live), watched, beside)
        listed = cursor_of(lease)
        otherwise = {MADE_OTHERWISE: True} if listed is not None and listed.made_by != pipeline else {}
        done = Done({**counts_of(report), **otherwise})
    else:
        async with database.reading() as session:
            since = mark_of(await kept(session, lease.tenant, lease.source))
        said = {name: bool(lease.payload.get(name, False)) for name in ("allow_empty", "moved")}
        watched = partial(watched, postpone=True, **said)
        report = await watched(live)
        # Of the live index's listing: the other one's is a later listing of everything.
        cursor = Cursor("" if report.failures else source.cursor, pipeline, since)
        report = await and_beside(report, watched, beside)
        done = Done(counts_of(report), tuple(_handed_out(lease, report, cursor)))
    if any(outcome.reason is WAITED_FOR for outcome in report.failures):
        again = Unavailable(
            "The service that recognises pages did not answer; the job is tried again.", code=WAITED_FOR.value
        )
        return replace(done, again=again)
    return done


def open_configured(settings: Settings) -> OpenSource:
    """The source of a job: at the place that the operator named when she enqueued it, else a configured one."""

    def opened(lease: Lease) -> Source:
        folder, file = lease.payload.get("folder"), lease.payload.get("file")
        if folder is None and file is None:
            found = settings.ingestion.sources.get(lease.source)
            if found is None or found.tenant != lease.tenant:
                raise Misuse(
                    f"Tenant {lease.tenant!r} has no source {lease.source!r} in ingestion.sources.",
                    code="source_unknown",
                )
            folder, file = found.folder, found.file
        return FolderSource(Path(folder), lease.source) if folder else open_source(Path(str(file)), lease.source)

    return opened


class Listings:
    """The sources of the syncs that were worked on last, each listed once for many parts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str, int], ListedOnce] = OrderedDict()

    def of(self, lease: Lease, open_source: OpenSource) -> "ListedOnce":
        key = lease.tenant, lease.source, lease.listed
        if key not in self._kept or lease.kind == SYNC:
            self._kept[key] = ListedOnce(open_source(lease), self._clock)
        self._kept.move_to_end(key)
        while len(self._kept) > LISTINGS:
            self._kept.popitem(last=False)
        return self._kept[key]


class ListedOnce:
    """A source that remembers its listings for a while. A document that has changed since then is refused by `open`,
    but for members of archives that were fetched for the listing: they are read as they were listed.

    `cursor` is that of the listing that was asked for last.
    """

    def __init__(self, source: Source, clock: Callable[[], float]) -> None:
        self.name = source.name
        self.cursor = ""
        self._source = source
        self._clock = clock
        self._listed: OrderedDict[str, tuple[Listing, float]] = OrderedDict()

    @property
    def place(self) -> SourcePlace:
        return self._source.place

    def listing(self, since: str = "") -> Listing:
        listing, until = self._listed.get(since, (None, 0.0))
        if listing is None or self._clock() >= until:
            started = self._clock()
            listing = self._source.listing(since)
            took = self._clock() - started
            self._listed[since] = listing, self._clock() + max(LISTED_S, LISTED_TIMES * took)
        self._listed.move_to_end(since)
        while len(self._listed) > LISTINGS:
            self._listed.popitem(last=False)
        self.cursor = listing.cursor
        return listing


def _handed_out(lease: Lease, report: Report, cursor: Cursor) -> Iterator[NewJob]:
    waiting = [outcome.document for outcome in report.outcomes if outcome.change is Change.WAITING]
    for start in range(0, len(waiting), PART):
        documents = waiting[start : start + PART]
        payload = {**lease.payload, "listed": lease.turn, "documents": documents, **cursor.as_payload()}
        yield NewJob(
            lease.tenant, DOCUMENTS, lease.source, payload, lease.priority, parent=lease.job, total=len(documents)
        )


def counts_of(report: Report) -> dict[str, Any]:
    """Numbers of documents by what became of them, and of those that failed by reason. No name of any.

    What is not read for its name counts as failed.
    """
    counted = Counter(report.counts) + Counter({Change.FAILED: len(report.left_out)})
    counts = {change.value: number for change, number in counted.items() if number}
    reasons = Counter(_reason(outcome) for outcome in report.failures) + Counter(one.reason for one in report.left_out)
    return {"documents": counts, **({"reasons": dict(sorted(reasons.items()))} if reasons else {})}


def _reason(outcome: Outcome) -> str:
    return "" if outcome.reason is None else outcome.reason.value


def _observer(tell: Callable[[Progress], None]) -> Callable[[Step, str, int, int], None]:
    def observe(step: Step, path: str, done: int, total: int) -> None:
        tell(Progress(step.value, done, total))

    return observe
