"""Spans reach a collector, and one that is slow, rude or gone costs nobody anything but the spans."""

import logging
import threading
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from rag.telemetry.export import open_tracing
from rag.telemetry.tracing import NO_TRACING
from rag.telemetry_settings import TelemetrySettings
from tests.ports import free_port
from tests.telemetry.collector import Collector, collecting

SECRET = "Bearer-hunter2"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting(Collector()) as running:
        yield running


def settings(endpoint: str, **more: object) -> TelemetrySettings:
    return TelemetrySettings.model_validate({"otlp_endpoint": endpoint, "timeout_s": 0.5} | more)


def test_spans_arrive_with_the_services_name_and_the_headers_of_the_settings(collector: Collector) -> None:
    asked = settings(collector.endpoint, headers=f"authorization={SECRET}, x-scope = one", service_name="rf-test")
    assert SECRET not in repr(asked)
    with open_tracing(asked) as tracing:
        outer = tracing.span("outer")
        inner = tracing.span("inner", within=outer)
        inner.end()
        outer.end()
    (request,) = collector.requests
    (of_resource,) = request.resource_spans
    told = {one.key: one.value.string_value for one in of_resource.resource.attributes}
    assert told.keys() == {"service.name", "service.version"}
    assert told["service.name"] == "rf-test"
    child, parent = of_resource.scope_spans[0].spans
    assert (child.name, parent.name, child.parent_span_id) == ("inner", "outer", parent.span_id)
    assert collector.headers[0]["authorization"] == SECRET
    assert collector.headers[0]["x-scope"] == "one"


def test_without_an_endpoint_nothing_is_traced() -> None:
    threads = threading.active_count()
    with open_tracing(TelemetrySettings()) as tracing:
        assert tracing is NO_TRACING
        assert not tracing.span("nothing").recorded
        assert threading.active_count() == threads


def test_only_the_asked_share_of_the_traces_is_kept(collector: Collector) -> None:
    with open_tracing(settings(collector.endpoint, sample_ratio=0)) as tracing:
        outer = tracing.span("outer")
        assert not outer.recorded
        assert not tracing.span("inner", within=outer).recorded
        outer.end()
    assert collector.requests == []


@pytest.mark.parametrize("fault", ["gone", "refuses", "hangs"])
def test_a_collector_that_does_not_take_them_is_said_once_and_waited_for_no_longer_than_set(
    fault: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library would log addresses, and the words that a collector answers with."""
    collector = Collector(status=403, words=b"quoted: secret-words")
    if fault == "hangs":
        collector.hold.set()
    with caplog.at_level(logging.INFO), collecting(collector):
        endpoint = f"http://127.0.0.1:{free_port()}/v1/traces" if fault == "gone" else collector.endpoint
        asked = settings(endpoint, queue_spans=64)
        ended = threading.Event()

        def work() -> None:
            with open_tracing(asked) as tracing:
                for number in range(500):
                    tracing.span(f"span-{number}").end()
            ended.set()

        threading.Thread(target=work, daemon=True).start()
        assert ended.wait(5), "the end of tracing waits for a collector"
    said = [record.getMessage() for record in caplog.records if record.name.startswith("rag.")]
    assert [message.split()[0] for message in said] in (["traces_not_sent"], [])
    assert said or fault == "hangs"
    everything = "\n".join(record.getMessage() for record in caplog.records) + "".join(capfd.readouterr())
    for word in ("secret-words", "span-1", "127.0.0.1"):
        assert word not in everything


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"otlp_endpoint": "collector:4318"}, "address like"),
        ({"otlp_endpoint": "http://me:hunter2@collector/v1/traces"}, "telemetry.headers"),
        ({"otlp_endpoint": "http://collector/v1/traces?key=hunter2"}, "telemetry.headers"),
        ({"headers": "hunter2"}, "name=value"),
        ({"service_name": "two words"}, "pattern"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_in_words_that_keep_secrets(
    wrong: dict[str, str], words: str
) -> None:
    assert TelemetrySettings(otlp_endpoint="https://collector:4318/v1/traces").header_pairs == {}
    with pytest.raises(ValidationError) as caught:
        TelemetrySettings.model_validate(wrong)
    (problem,) = caught.value.errors()
    assert words in problem["msg"]
    assert "hunter2" not in problem["msg"]
