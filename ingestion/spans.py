"""A run of ingestion as traces: one of each document, with a span for each step. Paths and titles are in none."""

from ingestion.report import Observer, Outcome, Step
from rag.telemetry.tracing import Span, Tracing

_NEXT = {
    Step.STARTED: "read",
    Step.PARSED: "mask",
    Step.MASKED: "embed",
    Step.EMBEDDED: "write",
    Step.WRITING: "commit",
}
"""What a document does from each step to the next. `read` is parsing as well, `embed` cutting."""


class DocumentSpans:
    """An observer that passes on what it is told. `tell` is for the outcome, before the document is finished."""

    def __init__(self, tracing: Tracing, observe: Observer) -> None:
        self._tracing = tracing
        self._observe = observe
        self._document: Span | None = None
        self._step: Span | None = None

    def __call__(self, step: Step, path: str, done: int, total: int) -> None:
        if self._step is not None:
            self._step.end()
            self._step = None
        if step is Step.STARTED:
            self._document = self._tracing.span("document")
        if step in _NEXT:
            self._step = self._tracing.span(_NEXT[step], within=self._document)
        elif self._document is not None:
            self._document.end()
            self._document = None
        self._observe(step, path, done, total)

    def tell(self, outcome: Outcome) -> None:
        if self._document is None:
            return
        self._document.tell(
            {
                "ringfence.document": outcome.document or None,
                "ringfence.change": outcome.change.value,
                "ringfence.chunks": outcome.chunks,
            }
        )
        if outcome.reason is not None:
            self._document.fail(outcome.reason.value)
