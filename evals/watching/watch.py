"""One round of the watch: ask, count the windows that are over, compare, raise an event for what has newly changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from evals.watching.asking import Service, Watched, ask
from evals.watching.drift import REFERENCE_DAYS, Drift, drifts
from evals.watching.windows import document_shares, traffic_shares
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.audit.store import AuditRecords
from rag.db import watch
from rag.db.engine import Database
from rag.db.index_versions import IndexVersions
from rag.db.watch import Series, WatchRow

DAY_S = 86_400
KEPT = timedelta(days=400)
"""How long windows are kept: a year and a month, to compare seasons by hand."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is watched. `seconds` is the length of a window, a part of a day; `seed` gives the tenant's planes."""

    tenant: str
    watcher: str
    author: str
    seconds: int
    seed: bytes

    @property
    def per_day(self) -> int:
        return DAY_S // self.seconds


@dataclass(frozen=True, slots=True)
class Alarm:
    """A share that drifted; `new`: it had not in the window before."""

    series: Series
    drift: Drift
    new: bool

    def record(self) -> dict[str, Any]:
        return {"series": self.series.value, "new": self.new, **asdict(self.drift)}


async def watch_once(
    database: Database, plan: Plan, service: Service, questions: Sequence[Watched], now: datetime
) -> list[Alarm]:
    """A round at `now`. Windows that no earlier round has counted are made up for, as far as the reference reaches.

    What the comparison finds is written in one transaction, with the audit record of what is new.
    """
    asked = await asyncio.to_thread(ask, service, questions)
    until = _last_end(now, plan.seconds)
    await _catch_up(database, plan, until)
    alarms: list[Alarm] = []
    async with database.unit_of_work() as session:
        windows = watch.Watched(session, plan.tenant, plan.seconds)
        await windows.forget_older(now - KEPT)
        space = (await IndexVersions(session, plan.tenant).live()).embedder_digest
        # That of the round, not of a window of others' questions: it began when the window before it had ended.
        await windows.put(Series.ASKED, until, space, asked)
        for series in Series:
            alarms += await _compare(windows, series, plan)
        new = [alarm for alarm in alarms if alarm.new]
        if new:
            shares = [one.record() for one in new]
            body: AuditBody = {"author": plan.author, "until": until.isoformat(), "shares": shares}
            await AuditLog().append(session, plan.tenant, "drift", body)
    return alarms


def _last_end(now: datetime, seconds: int) -> datetime:
    """The end of the last window that is over: windows begin at midnight UTC."""
    moment = int(now.timestamp())
    return datetime.fromtimestamp(moment - moment % seconds, UTC)


async def _catch_up(database: Database, plan: Plan, until: datetime) -> None:
    """Count the windows up to `until`, each for itself: nobody waits for more than the rows of one to be written."""
    length = timedelta(seconds=plan.seconds)
    reach = until - timedelta(days=REFERENCE_DAYS + 1)
    async with database.reading() as session:
        newest = await watch.Watched(session, plan.tenant, plan.seconds).newest(Series.TRAFFIC, 1)
        first = None if newest else await anext(AuditRecords(session).of_answers(plan.tenant, reach, until), None)
    begin = newest[0].until if newest else until if first is None else _last_end(first.at, plan.seconds)
    end = max(reach, begin) + length
    while end <= until:
        async with database.reading() as session:
            live = await IndexVersions(session, plan.tenant).live()
            traffic = await traffic_shares(session, plan.tenant, end - length, end, plan.watcher)
            documents = await document_shares(session, plan.tenant, live, end - length, end, plan.seed)
        async with database.unit_of_work() as session:
            windows = watch.Watched(session, plan.tenant, plan.seconds)
            await windows.put(Series.TRAFFIC, end, live.embedder_digest, traffic)
            await windows.put(Series.DOCUMENTS, end, live.embedder_digest, documents)
        end += length


async def _compare(windows: watch.Watched, series: Series, plan: Plan) -> list[Alarm]:
    """What has drifted in the newest window; it is written there."""
    rows = await windows.newest(series, (REFERENCE_DAYS + 1) * plan.per_day)
    if not rows:
        return []
    newest = rows[-1]
    # Sides of planes mean something else in another embedding space; shares of another release may have other names.
    same = [row for row in rows if row.space == newest.space and row.shares.keys() == newest.shares.keys()]
    names = list(newest.shares)
    counts = np.array([[row.shares[name] for name in names] for row in same], dtype=np.int64)
    found = drifts(names, counts, windows_per_day=plan.per_day)
    before = _alarms_before(rows)
    newest.alarms = sorted(one.share for one in found)
    return [Alarm(series, one, one.share not in before) for one in found]


def _alarms_before(rows: Sequence[WatchRow]) -> frozenset[str]:
    """Those of the window before the newest, and of the newest itself where it was compared before."""
    return frozenset(name for row in rows[-2:] for name in row.alarms)
