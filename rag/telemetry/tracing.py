"""Spans of OpenTelemetry that hold ids and numbers only.

There is no call that puts a text into one: a string that is not an id (a space is enough) is left out, and of an
exception stand its code or its class. Spans get their parents by hand or from the request that they belong to.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from rag.errors import RingfenceError
from rag.telemetry.names import ERROR_TYPE, Fact, title

_ID = re.compile(r"[A-Za-z0-9_.:@/{}+-]{1,160}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Span:
    """One span, until it is ended. Made by `Tracing`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def recorded(self) -> bool:
        """False where nothing is kept of it, so that nothing need be counted for it."""
        return self._span.is_recording()

    @property
    def ids(self) -> dict[str, str]:
        """`trace_id` and `span_id` in hexadecimal, for the log; empty where nothing is kept."""
        if not self.recorded:
            return {}
        at = self._span.get_span_context()
        return {"trace_id": trace.format_trace_id(at.trace_id), "span_id": trace.format_span_id(at.span_id)}

    def rename(self, name: str) -> None:
        """Call it by what turned out later. Fixed words only."""
        self._span.update_name(name)

    def tell(self, facts: Mapping[str, Fact | None]) -> None:
        """Add facts; a later value stands for an earlier one. None, and strings that are no ids, are left out."""
        if not self.recorded:
            return
        told = {name: value for name, value in facts.items() if value is not None and _fits(value)}
        self._span.set_attributes(told)
        named = title(told)
        if named is not None:
            self._span.update_name(named)

    def fail(self, code: str) -> None:
        """It failed for this reason: a code, or the name of a class."""
        self.tell({ERROR_TYPE: code})
        self._span.set_status(trace.StatusCode.ERROR)

    def failed(self, cause: BaseException) -> None:
        """It ended with this exception, of which only code or class are kept. Who leaves early makes no error."""
        code = cause.code if isinstance(cause, RingfenceError) else type(cause).__name__
        if isinstance(cause, Exception):
            self.fail(code)
        else:
            self.tell({ERROR_TYPE: code})

    def end(self, at_ns: int | None = None) -> None:
        """Now, or at nanoseconds since 1970."""
        self._span.end(at_ns)

    def context(self) -> context.Context:
        return trace.set_span_in_context(self._span)


class Tracing:
    """Where spans come from. `trusts_callers` goes on with the trace that a caller names."""

    def __init__(self, tracer: trace.Tracer, *, trusts_callers: bool = False) -> None:
        self._tracer = tracer
        self._trusts_callers = trusts_callers

    def span(self, name: str, *, within: Span | None = None) -> Span:
        """A span that the caller ends; below `within`, or else below the one of this request."""
        parent = None if within is None else within.context()
        # The library would record an exception's message; spans are ended by hand, so it never sees one.
        return Span(self._tracer.start_span(name, parent, record_exception=False))

    @contextmanager
    def request(self, name: str, traceparent: str | None) -> Iterator[Span]:
        """The span of one request. What is begun inside, in tasks as well, stands below it."""
        parent = self._caller(traceparent)
        span = Span(self._tracer.start_span(name, parent, kind=trace.SpanKind.SERVER, record_exception=False))
        token = context.attach(span.context())
        try:
            yield span
        finally:
            context.detach(token)
            span.end()

    def _caller(self, traceparent: str | None) -> context.Context:
        nobody = context.Context()
        if not self._trusts_callers or traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
            return nobody
        # Without `tracestate`, which is free text.
        return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, nobody)


NO_TRACING = Tracing(trace.NoOpTracer())
"""Keeps nothing, for next to nothing."""


def _fits(value: Fact) -> bool:
    return not isinstance(value, str) or _ID.fullmatch(value) is not None
