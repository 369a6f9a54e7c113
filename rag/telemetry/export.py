"""Sending spans to a collector: in the background, from a bounded queue, and silent about what it sends.

A collector that is slow or gone costs the spans that do not fit into the queue, and nothing else: no question waits.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from rag.telemetry.tracing import NO_TRACING, Tracing
from rag.telemetry_settings import TelemetrySettings

SCOPE = "ringfence"
DELAY_MS = 1000
"""Spans wait at most so long for others to be sent with."""
BATCH = 256

_log = logging.getLogger(__name__)


@contextmanager
def open_tracing(settings: TelemetrySettings) -> Iterator[Tracing]:
    """Tracing as the settings ask for it; at the end, what waits is sent within `timeout_s`, or dropped."""
    if settings.otlp_endpoint is None:
        yield NO_TRACING
        return
    with sending(_exporter(settings, settings.otlp_endpoint), settings) as tracing:
        yield tracing


@contextmanager
def sending(exporter: SpanExporter, settings: TelemetrySettings) -> Iterator[Tracing]:
    """Tracing that gives its spans to `exporter`."""
    # The library's own warnings quote addresses and what collectors answer. `SaysIfItFails` says what is needed.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    reporting = SaysIfItFails(exporter)
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        # Not `Resource.create`, which adds what it finds in the environment.
        resource=Resource({"service.name": settings.service_name, "service.version": version("ringfence")}),
        shutdown_on_exit=False,
    )
    batches = BatchSpanProcessor(
        reporting,
        max_queue_size=settings.queue_spans,
        schedule_delay_millis=DELAY_MS,
        max_export_batch_size=min(BATCH, settings.queue_spans),
    )
    provider.add_span_processor(batches)
    try:
        yield Tracing(provider.get_tracer(SCOPE), trusts_callers=settings.trust_traceparent)
    finally:
        # In a thread that nobody waits for longer: the library's own wait is half a minute.
        ending = threading.Thread(target=provider.shutdown, name="end of tracing", daemon=True)
        ending.start()
        ending.join(settings.timeout_s)


class SaysIfItFails(SpanExporter):
    """An exporter that logs once when sending begins to fail, and once when it works again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - whatever it is, it must not end the thread, and its message is not ours
            result = SpanExportResult.FAILURE
        works = result is SpanExportResult.SUCCESS
        if works != self._works:
            self._works = works
            if works:
                _log.warning("traces_sent_again")
            else:
                _log.warning(
                    "traces_not_sent spans=%d: check telemetry.otlp_endpoint and telemetry.headers", len(spans)
                )
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _exporter(settings: TelemetrySettings, endpoint: str) -> OTLPSpanExporter:
    session = requests.Session()
    # A proxy variable or a .netrc of the process must not send traces, or the key, elsewhere.
    session.trust_env = False
    return OTLPSpanExporter(
        endpoint=endpoint,
        headers=settings.header_pairs,
        timeout=settings.timeout_s,
        compression=Compression.Gzip,
        session=session,
    )
