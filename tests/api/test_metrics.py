"""Metrics: documented in one table, watched by dashboard and alerts that name what exists, and without names."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import text, update
from sqlalchemy.exc import SQLAlchemyError

from ingestion.worker_door import WorkerMetrics
from policies.rules import Rule
from policies.store import Edit, PolicyStore
from rag.api.app import create_app
from rag.api.composition import checks, read_states
from rag.api.counted import CountedAuditLog, CountedEmbedder
from rag.api.job_gauges import JobGauges
from rag.api.metrics import Metrics
from rag.api.parts import AppParts
from rag.api.readings import Readings
from rag.audit.record import UnfitRecord
from rag.audit.store import AuditCheckpoints
from rag.db.engine import Database
from rag.db.job_table import SYNC, JobRow, JobState
from rag.db.jobs import Jobs, NewJob
from rag.domain import Timings
from rag.generation.openai_compatible import OpenAIGenerator
from rag.index.stores import open_stores
from rag.query.metrics import QueryMetrics
from rag.settings import GeneratorSettings, Settings
from tests.api.conftest import Bearers, ScriptedPath
from tests.audit.signers import SIGNER
from tests.ingestion.stand_ins import CountingEmbedder

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
OURS = re.compile(r"\bringfence_[a-z_]+")
OF_VLLM = frozenset(
    {
        "vllm:num_requests_waiting",
        "vllm:num_requests_running",
        "vllm:kv_cache_usage_perc",
        "vllm:prefix_cache_hits_total",
        "vllm:prefix_cache_queries_total",
        "vllm:time_to_first_token_seconds_bucket",
    }
)
"""As vLLM 0.32 exposes them."""
FIXED_LABELS = {
    "route",
    "method",
    "status",
    "code",
    "found",
    "stage",
    "outcome",
    "part",
    "fault",
    "server",
    "state",
    "end",
    "where",
    "series",
}
BUILD_LABELS = {"version", "python", "index", "generator"}


def documented() -> dict[str, set[str]]:
    """Labels by metric, from the table."""
    rows = re.findall(r"^\| `(ringfence_\w+)` \|([\w, ]*)\|", (MONITORING / "README.md").read_text(), re.MULTILINE)
    return {name: {label.strip() for label in labels.split(",") if label.strip()} for name, labels in rows}


def exposed(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Ours, with the names under which Prometheus knows them, and their labels."""
    names = {}
    for metric in registry.collect():
        if metric.name.startswith("ringfence_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            names[name] = {label for sample in metric.samples for label in sample.labels} - {"le"}
    return names


@pytest.fixture
def everything(database: Database, tmp_path: Path) -> Metrics:
    """The metrics of a service with model servers, as the composition root puts them together."""
    settings = Settings(data_dir=tmp_path)
    servers = OpenAIGenerator(GeneratorSettings(kind="openai", base_url="http://a:1/v1 http://b:2/v1", model="m"))
    metrics = Metrics()
    QueryMetrics(metrics.registry)
    CountedAuditLog(None, metrics.registry)
    CountedEmbedder(CountingEmbedder(), metrics.registry)
    WorkerMetrics(metrics.registry)
    read_states(metrics, settings, database, open_stores(settings, 8), servers, checks(settings, database))
    return metrics


def queries() -> Iterator[str]:
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_the_table_and_the_registry_agree(everything: Metrics) -> None:
    assert documented().keys() == exposed(everything.registry).keys()


def test_labels_are_those_of_the_table_and_none_can_name_anybody(everything: Metrics) -> None:
    for name, labels in documented().items():
        assert labels <= (BUILD_LABELS if name == "ringfence_build_info" else FIXED_LABELS)
    everything.request(route="/v1/search", method="POST", status=200, code="", seconds=0.1)
    everything.answer(found=True, stages=(("plan", 1.0),))
    for name, labels in exposed(everything.registry).items():
        assert labels <= documented()[name], name


def test_dashboard_and_alerts_name_only_what_exists(everything: Metrics) -> None:
    samples = {sample.name for metric in everything.registry.collect() for sample in metric.samples}
    known = samples | documented().keys() | {f"{name}_bucket" for name in documented()}
    asked = list(queries())
    assert len(asked) > 40
    for query in asked:
        assert set(OURS.findall(query)) <= known, query
        assert set(re.findall(r"\bvllm:[a-z_]+", query)) <= OF_VLLM, query
    assert not set(OURS.findall("rate(ringfence_no_such_total[5m])")) <= known


def test_every_alert_says_what_is_wrong_what_to_do_and_whom_to_wake() -> None:
    rules = [
        rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "action"}


async def test_states_are_read_when_somebody_looks_and_one_that_fails_hides_no_other(everything: Metrics) -> None:
    told = (await everything.exposition()).decode()
    assert 'ringfence_part_ready{part="policy"} 1.0' in told
    assert "ringfence_index_points 0.0" in told
    assert 'ringfence_jobs{state="dead"} 0.0' in told
    assert 'ringfence_model_server_state{server="a:1",state="ready"} 1.0' in told
    assert 'ringfence_model_server_state{server="b:2",state="unhealthy"} 0.0' in told
    assert 'generator="extractive",index="embedded"' in told

    async def fails() -> float:
        raise OSError("no such table")

    async def fine() -> float:
        return 3

    registry = CollectorRegistry()
    readings = Readings(registry, {"bad": ("Bad.", fails), "good": ("Good.", fine)}, {"policy": fails})  # type: ignore[dict-item] # a check may return anything
    await readings.refresh()
    assert str(registry.get_sample_value("bad")) == "nan"
    assert registry.get_sample_value("good") == 3
    assert registry.get_sample_value("ringfence_part_ready", {"part": "policy"}) == 0


async def test_the_queue_is_told_in_numbers_by_state_and_code(any_database: Database) -> None:
    registry = CollectorRegistry()
    gauges = JobGauges(registry, any_database)
    now, read = datetime.now(UTC), registry.get_sample_value
    states: dict[str, dict[str, Any]] = {
        "new": {"run_after": now - timedelta(seconds=90)},
        "later": {"attempts": 2, "run_after": now + timedelta(hours=1)},
        "worked on": {"state": JobState.RUNNING, "attempts": 1, "lease_until": now + timedelta(hours=1)},
        "left alone": {"state": JobState.RUNNING, "attempts": 3, "lease_until": now - timedelta(hours=1)},
        "given up": {"state": JobState.DEAD, "attempts": 5, "reason": "source_unreadable"},
    }
    async with any_database.unit_of_work() as session:
        for number, columns in enumerate(states.values()):
            job, _ = await Jobs(session).enqueue(NewJob(f"tenant{number}", SYNC, "docs"))
            await session.execute(update(JobRow).where(JobRow.id == job.id).values(**columns))
    await gauges.refresh()
    counts = {state.value: (2, 2) if state is JobState.QUEUED else (0, 0) for state in JobState}
    for state, expected in (counts | {"running": (2, 4), "dead": (1, 5)}).items():
        assert read("ringfence_jobs", {"state": state}) == expected[0]
        assert read("ringfence_jobs_attempts", {"state": state}) == expected[1]
    assert 90 <= (read("ringfence_jobs_oldest_queued_seconds") or 0) < 3000
    assert read("ringfence_jobs_leases_expired") == 1
    dead = {"code": "source_unreadable"}
    assert read("ringfence_jobs_dead", dead) == 1
    async with any_database.unit_of_work() as session:
        await session.execute(update(JobRow).values(state=JobState.DONE))
    await gauges.refresh()
    assert read("ringfence_jobs_dead", dead) is None
    assert read("ringfence_jobs_oldest_queued_seconds") == 0


async def test_a_queue_that_cannot_be_read_is_not_a_number(database: Database) -> None:
    registry = CollectorRegistry()
    gauges = JobGauges(registry, database)
    await gauges.refresh()
    assert registry.get_sample_value("ringfence_jobs_leases_expired") == 0
    async with database.unit_of_work() as session:
        await session.execute(text("ALTER TABLE job RENAME TO gone"))
    with pytest.raises(SQLAlchemyError):
        await gauges.refresh()
    assert str(registry.get_sample_value("ringfence_jobs_leases_expired")) == "nan"
    assert str(registry.get_sample_value("ringfence_jobs", {"state": "dead"})) == "nan"


async def test_audit_records_failures_and_what_is_not_signed_are_counted(database: Database) -> None:
    registry = CollectorRegistry()
    log = CountedAuditLog(SIGNER, registry)
    rule = Rule(subject="role:a", tenant="acme", action="read", department="hr")
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply("acme", Edit(add_rules=(rule,)), author="user:test", reason="test")
        for number in range(3):
            await log.append(session, "acme", "question", {"number": number})
    with pytest.raises(UnfitRecord):
        async with database.unit_of_work() as session:
            await log.append(session, "acme", "question", {"text": "two words"})
    async with database.reading() as session:
        assert await AuditCheckpoints(session).records_behind() == 3
    await log.seal_all(database)
    async with database.reading() as session:
        assert await AuditCheckpoints(session).records_behind() == 0
    assert registry.get_sample_value("ringfence_audit_records_total") == 3
    assert registry.get_sample_value("ringfence_audit_failures_total") == 1


async def test_places_and_waits_are_counted_and_refusals_by_the_limits_name(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    limits = parts.settings.limits.model_copy(update={"person_answers_at_once": 1, "queue_length": 0})
    app = create_app(replace(parts, settings=parts.settings.model_copy(update={"limits": limits})))
    read = parts.metrics.registry.get_sample_value
    state = app.state.ringfence
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    headers = {"Authorization": f"Bearer {bearers.person}"}
    body = {"model": "ringfence", "messages": [{"role": "user", "content": "leave?"}]}
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
        assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
        taken = await state.queue.enter(path.asked[0][1])
        assert read("ringfence_answers_in_flight") == 1
        assert (await client.post("/v1/chat/completions", json=body)).status_code == 429
        taken.release()
    assert (read("ringfence_answers_in_flight"), read("ringfence_queue_waiting")) == (0, 0)
    assert read("ringfence_queue_wait_seconds_count") == 2
    refused = {"route": "/v1/chat/completions", "method": "POST", "status": "429", "code": "queue_length"}
    assert read("ringfence_requests_total", refused) == 1


def test_the_speed_of_a_generator_is_that_of_its_own_time() -> None:
    registry = CollectorRegistry()
    metrics = QueryMetrics(registry)
    metrics.finished(Timings((("plan", 900.0), ("generate", 500.0)), (("output_tokens", 20),)))
    metrics.finished(Timings((("plan", 900.0),)))
    assert registry.get_sample_value("ringfence_generated_tokens_per_second_sum") == 40
    assert registry.get_sample_value("ringfence_generated_tokens_per_second_count") == 1


def test_a_change_of_a_policy_is_seen_once() -> None:
    registry = CollectorRegistry()
    metrics = QueryMetrics(registry)

    def seen(tenant: str, epoch: int | None) -> float | None:
        metrics.policy_read(tenant, epoch)
        return registry.get_sample_value("ringfence_policy_change_seen_timestamp_seconds")

    assert seen("nobody", 0) == seen("acme", None) == 0
    first = seen("acme", 1)
    assert first == seen("acme", 1) == seen("acme", None) == seen("nobody", 0)
    assert seen("acme", 2) != first
    assert registry.get_sample_value("ringfence_policy_reads_total", {"outcome": "ok"}) == 5
    assert registry.get_sample_value("ringfence_policy_reads_total", {"outcome": "unreadable"}) == 2
