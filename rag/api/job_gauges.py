"""Gauges of the queue of jobs, read from its table. Labels are states and codes; numbers are all tenants' together."""

import math

from prometheus_client import CollectorRegistry, Gauge

from policies.tenancy import every_tenant
from rag.db.engine import Database
from rag.db.job_counts import count_jobs
from rag.db.job_table import JobState


class JobGauges:
    """What `rag.db.job_counts` counts, for Prometheus. Each replica tells the same: they share the table."""

    def __init__(self, registry: CollectorRegistry, database: Database) -> None:
        self._database = database
        self._jobs = Gauge("ringfence_jobs", "Jobs by state.", ("state",), registry=registry)
        self._attempts = Gauge(
            "ringfence_jobs_attempts",
            "How often jobs were taken, by their state.",
            ("state",),
            registry=registry,
        )
        self._dead = Gauge(
            "ringfence_jobs_dead", "Jobs that were given up, by what went wrong last.", ("code",), registry=registry
        )
        self._oldest = Gauge(
            "ringfence_jobs_oldest_queued_seconds",
            "For how long a job has waited that a worker might have taken.",
            registry=registry,
        )
        self._expired = Gauge(
            "ringfence_jobs_leases_expired",
            "Jobs whose worker is not heard of any more and that nobody else has taken.",
            registry=registry,
        )

    async def refresh(self) -> None:
        """Read the table anew. What cannot be read says so by being not a number, and the cause is raised."""
        self._unread()
        with every_tenant():
            async with self._database.reading() as session:
                counts = await count_jobs(session)
        for state in JobState:
            self._jobs.labels(state.value).set(counts.jobs[state])
            self._attempts.labels(state.value).set(counts.attempts[state])
        for code, number in counts.dead.items():
            self._dead.labels(code).set(number)
        self._oldest.set(counts.oldest_queued_s)
        self._expired.set(counts.leases_expired)

    def _unread(self) -> None:
        for state in JobState:
            self._jobs.labels(state.value).set(math.nan)
            self._attempts.labels(state.value).set(math.nan)
        # A reason of which there is no dead job any more would otherwise be told for ever.
        self._dead.clear()
        self._oldest.set(math.nan)
        self._expired.set(math.nan)
