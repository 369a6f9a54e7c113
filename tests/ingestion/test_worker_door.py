"""What a worker tells of itself: whether it is live, and its counters."""

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from ingestion.worker_door import SILENT_S, WorkerMetrics, open_door
from rag.errors import Misuse


class Silence:
    """For how long the job table has not answered, as a test says."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def silence() -> Silence:
    return Silence()


@pytest.fixture
def registry(silence: Silence) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    metrics.watch(in_hand=lambda: 2, silent_s=silence)
    metrics.ended("dead")
    return registry


@pytest.fixture
def port(registry: CollectorRegistry, silence: Silence) -> Iterator[int]:
    with open_door("127.0.0.1", 0, registry, silence) as opened:
        yield opened


def ask(port: int, path: str, method: str = "GET") -> httpx.Response:
    # Of http alone: to read the certificates of the world takes longer than the test.
    with httpx.Client(timeout=20, trust_env=False, verify=False) as client:  # noqa: S501
        return client.request(method, f"http://127.0.0.1:{port}{path}")


def test_a_worker_is_live_while_the_job_table_answers_it_and_not_after(port: int, silence: Silence) -> None:
    assert (ask(port, "/livez").status_code, ask(port, "/livez").json()) == (200, {"live": True})
    silence.seconds = SILENT_S
    assert (ask(port, "/livez").status_code, ask(port, "/livez").json()) == (503, {"live": False})


def test_its_counters_are_for_prometheus_and_there_is_nothing_else(port: int) -> None:
    text = ask(port, "/metrics").text
    assert 'ringfence_worker_jobs_total{end="dead"} 1.0' in text
    assert "ringfence_worker_jobs_in_hand 2.0" in text
    assert ask(port, "/").status_code == 404
    assert ask(port, "/metrics", "POST").status_code == 501


def test_a_port_that_is_taken_is_a_mistake_that_names_its_setting(port: int, silence: Silence) -> None:
    with (
        pytest.raises(Misuse, match="RINGFENCE_INGESTION__WORKER_PORT"),
        open_door("127.0.0.1", port, CollectorRegistry(), silence),
    ):
        pytest.fail("it was opened")
