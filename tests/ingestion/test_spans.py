"""The trace of a document: a span for each step, and neither its path, title nor text."""

from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from ingestion.parse.sandbox import Sandbox
from ingestion.pipeline import ingest
from ingestion.report import Report, Step
from ingestion.sources.folder import FolderSource
from ingestion.spans import DocumentSpans
from rag.db.engine import Database
from rag.telemetry.export import sending
from rag.telemetry_settings import TelemetrySettings
from tests.ingestion.worlds import AFTER, BEFORE, TENANT, parts_on, write_folder

WORDS = ("canteen", "ann lee", "bo chan", "acme", "parking", "changed.md", "new-bo_chan", "unlabelled-later", "hall")


async def run(folder: Path, database: Database, sandbox: Sandbox) -> tuple[Report, list[ReadableSpan], list[Step]]:
    exporter, steps = InMemorySpanExporter(), list[Step]()
    with sending(exporter, TelemetrySettings()) as tracing:
        spans = DocumentSpans(tracing, lambda step, path, done, total: steps.append(step))
        source, parts = FolderSource(folder, "docs"), parts_on(database, sandbox)
        report = await ingest(source, TENANT, parts, observe=spans, tell=spans.tell)
    return report, list(exporter.get_finished_spans()), steps


def by_change(spans: list[ReadableSpan]) -> dict[object, tuple[ReadableSpan, list[str]]]:
    """One document of each change, with the names of its steps."""
    found = {}
    for document in spans:
        if document.name == "document" and document.attributes is not None and document.context is not None:
            own = document.context.span_id
            steps = [span.name for span in spans if span.parent is not None and span.parent.span_id == own]
            found[document.attributes["ringfence.change"]] = (document, steps)
    return found


async def test_each_document_is_a_trace_of_its_steps_without_a_word_of_it(
    tmp_path: Path, database: Database, sandbox: Sandbox
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    first, spans, steps = await run(write_folder(folder, BEFORE), database, sandbox)
    second, more, _ = await run(write_folder(folder, AFTER), database, sandbox)
    assert steps.count(Step.FINISHED) == len(first.outcomes), "the observer behind it still sees every step"
    found = by_change(spans + more)
    assert found["new"][1] == found["changed"][1] == ["read", "mask", "embed", "write", "commit"]
    assert found["unchanged"][1] == ["read"]
    assert found["relabelled"][1] == ["read"], "labels are given before any document is opened"
    failed = next(one for one in second.outcomes if one.reason is not None)
    document = next(one for one in more if (one.attributes or {}).get("error.type") == str(failed.reason))
    assert (document.status.status_code, document.status.description) == (StatusCode.ERROR, None)
    chunks = {one.document: one.chunks for one in first.outcomes}
    told = {(one.attributes or {}).get("ringfence.document"): one.attributes for one in spans if one.name == "document"}
    assert {key: (facts or {})["ringfence.chunks"] for key, facts in told.items() if key} == {
        key: number for key, number in chunks.items() if key
    }
    exported = "\n".join(span.to_json() for span in spans + more).lower()
    assert not [word for word in WORDS if word in exported]
