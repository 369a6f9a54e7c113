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
        self._documents: dict[str, Span] = {}
        self._steps: dict[str, Span] = {}

    def __call__(self, step: Step, path: str, done: int, total: int) -> None:
        """Of several documents at a time, told apart by their paths."""
        if path in self._steps:
            self._steps.pop(path).end()
        if step is Step.STARTED:
            self._documents[path] = self._tracing.span("document")
        if step in _NEXT:
            self._steps[path] = self._tracing.span(_NEXT[step], within=self._documents.get(path))
        elif path in self._documents:
            self._documents.pop(path).end()
        self._observe(step, path, done, total)

    def tell(self, outcome: Outcome) -> None:
        document = self._documents.get(outcome.path)
        if document is None:
            return
        document.tell(
            {
                "ringfence.document": outcome.document or None,
                "ringfence.change": outcome.change.value,
                "ringfence.chunks": outcome.chunks,
            }
        )
        if outcome.reason is not None:
            document.fail(outcome.reason.value)
