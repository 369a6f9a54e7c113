"""Gauge of what `ringfence eval watch` last found, read from its table. Numbers are of the tenant with most."""

import math
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from policies.tenancy import every_tenant
from rag.db.engine import Database
from rag.db.watch import Series, alarms_now

FRESH = timedelta(days=2)
"""A window of at most a day is written when it is over: older ones are of a watch that does not run any more."""


class DriftGauges:
    """Each replica tells the same: they share the table."""

    def __init__(self, registry: CollectorRegistry, database: Database) -> None:
        self._database = database
        self._alarms = Gauge(
            "ringfence_drift_alarms",
            "Watched shares that differ from those before by more than chance, in the newest window.",
            ("series",),
            registry=registry,
        )

    async def refresh(self) -> None:
        """Read the table anew. What cannot be read says so by being not a number, and the cause is raised."""
        for series in Series:
            self._alarms.labels(series.value).set(math.nan)
        with every_tenant():
            async with self._database.reading() as session:
                found = await alarms_now(session, datetime.now(UTC) - FRESH)
        for series, alarms in found.items():
            self._alarms.labels(series.value).set(alarms)
