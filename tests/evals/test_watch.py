"""The watch: silent while nothing changes, loud soon after something does, and what it keeps tells of nobody."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from evals.cli import evaluate
from evals.watching.asking import Service, Watched
from evals.watching.drift import drifts
from evals.watching.simulation import PLANTED, SHARES, Sizes, simulate
from evals.watching.watch import Plan, watch_once
from rag.audit.record import canonical
from rag.db.engine import Database
from rag.db.tables import AuditRow
from rag.db.watch import Series, alarms_now
from rag.db.watch import Watched as Windows
from rag.errors import Misuse

TENANT, DAY = "acme", timedelta(days=1)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
NOBODY_THERE = Service("http://127.0.0.1:9", {})
PLAN = Plan(TENANT, "user:watch", "operator:test", 86_400, b"s" * 32)


def test_quiet_days_are_quiet_and_planted_changes_are_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """Small: `ringfence eval drift` says how often in a thousand days."""
    report = simulate(Sizes(days=6, plants=2), seed=3, talk=print)
    assert report.passed, report.figures
    told = capsys.readouterr().out
    assert "0 of 6 quiet days" in told and told.count("100% seen") == len(PLANTED)


def windows(*days: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([[day] for day in days], dtype=np.int64)


def test_nothing_is_said_before_there_is_enough_to_compare_with() -> None:
    before, changed = [(10, 100)] * 7, (60, 100)
    assert drifts(["a"], windows(*before[1:], changed), windows_per_day=1) == []
    (found,) = drifts(["a"], windows(*before, changed), windows_per_day=1)  # the twin
    assert (found.share, found.was, found.now) == ("a", 0.1, 0.6)
    assert drifts(["a"], windows(*before, (11, 100)), windows_per_day=1) == []


def test_where_the_reference_varies_much_the_same_change_is_none() -> None:
    restless = [(2, 100), (40, 100), (5, 100), (60, 100), (1, 100), (30, 100), (8, 100)]
    steady = [(21, 100)] * 7
    assert drifts(["a"], windows(*restless, (50, 100)), windows_per_day=1) == []
    assert drifts(["a"], windows(*steady, (50, 100)), windows_per_day=1)


def records(day: int, not_found: int, person: str = "user:ann", number: int = 40) -> list[dict[str, Any]]:
    """Questions and answers of one day, so many days before today."""
    rows = []
    for one in range(number):
        who = {"person": person, "assistant": None, "answer": f"ans_{day}_{one}"}
        asked = {"denied": False, "refused_count": 0, "guard": {"question": []}, "cell": one % 256}
        given = {"found": one >= not_found, "claims": 1, "unsupported": 0, "stages_ms": {"search": 5.0}}
        rows += [("question", who | asked), ("answer", who | given)]
    at = NOW - day * DAY - timedelta(hours=13)
    first = 1000 * (10 - day) + 500 * (person == PLAN.watcher)
    return [
        {"tenant": TENANT, "sequence": first + place, "at": at, "kind": kind, "body": canonical(body), "previous": "",
         "digest": ""}
        for place, (kind, body) in enumerate(rows)
    ]  # fmt: skip


async def watched(database: Database, days: list[dict[str, Any]], now: datetime = NOW) -> list[tuple[str, bool]]:
    async with database.unit_of_work() as session:
        if days:
            await session.execute(insert(AuditRow), days)
    alarms = await watch_once(database, PLAN, NOBODY_THERE, [Watched("Who?")], now)
    return [(alarm.drift.share, alarm.new) for alarm in alarms]


async def drift_records(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as session:
        rows = await session.execute(AuditRow.__table__.select().where(AuditRow.kind == "drift"))
        return [json.loads(row.body) for row in rows]


async def test_a_change_raises_an_event_once_and_shows_in_the_gauge_as_long_as_it_lasts(database: Database) -> None:
    quiet = [row for day in range(8) for row in records(day, not_found=4)]
    # What the watch asks itself is not what people ask.
    own = records(0, not_found=40, person=PLAN.watcher)
    assert await watched(database, quiet + own) == []
    assert await watched(database, records(-1, not_found=30), NOW + DAY) == [("not_found", True)]
    assert await watched(database, [], NOW + DAY) == [("not_found", False)]
    (event,) = await drift_records(database)
    assert event["shares"][0] | {"p": 0} == {
        "series": "traffic", "share": "not_found", "windows": 1, "was": 0.1, "now": 0.75, "p": 0, "new": True,
    }  # fmt: skip
    async with database.reading() as session:
        assert (await alarms_now(session, NOW - DAY))[Series.TRAFFIC] == 1
        assert (await alarms_now(session, NOW + 3 * DAY))[Series.TRAFFIC] == 0
        kept = await Windows(session, TENANT, 86_400).newest(Series.TRAFFIC, 20)
    assert len(kept) == 9
    assert "ann" not in str([row.shares for row in kept])


@pytest.mark.parametrize("wrong", [["--every", "7m"], ["--every", "2d"], ["--url", "http://127.0.0.1:9"], []])
def test_what_cannot_be_watched_is_said(wrong: list[str], tmp_path: Path) -> None:
    given = ["watch", "--tenant", TENANT, "--set", "demo", "--person", "watch", "--data-dir", str(tmp_path), *wrong]
    result = CliRunner().invoke(evaluate, given)
    assert isinstance(result.exception, Misuse)


def test_the_simulated_service_has_the_shares_of_the_real_one() -> None:
    assert all(0 < share < 1 for share in SHARES.values())
    assert all(change.keys() <= SHARES.keys() for change in PLANTED.values())
