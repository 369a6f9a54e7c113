"""What the path of a question counts. Labels are fixed words: no tenant, person, document or text."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rag.domain import Timings

_FIRST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60)
_CHUNKS = (0, 1, 2, 4, 6, 10, 20, 40, 80, 160, 320)
_TOKENS_PER_SECOND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)


class QueryMetrics:
    """Counters in the given registry; `dropped_by_check` above zero means that an index is wrong, or was attacked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.dropped_by_check = Counter(
            "ringfence_hits_refused_by_check",
            "Hits that the index admitted and the check refused although both had the same labels.",
            registry=registry,
        )
        self.dropped_stale = Counter(
            "ringfence_hits_stale",
            "Hits of replaced versions or outdated labels, dropped while the index catches up.",
            registry=registry,
        )
        self.claims_removed = Counter(
            "ringfence_claims_removed",
            "Sentences of a generator that no passage supports, or that it repeated.",
            registry=registry,
        )
        self.claims_verified = Counter(
            "ringfence_claims_verified", "Sentences of a generator that passages support.", registry=registry
        )
        self.claims_marked = Counter(
            "ringfence_claims_marked_unsupported",
            "Sentences that no passage supports, shown as such (generator.unsupported=mark).",
            registry=registry,
        )
        self.fallbacks = Counter(
            "ringfence_generator_fallbacks", "Answers by the fallback generator.", registry=registry
        )
        self._noticed = Counter(
            "ringfence_guard_noticed",
            "Questions and passages with text that speaks to a model, by code; none is refused for it.",
            ("where", "code"),
            registry=registry,
        )
        self.policy_changed = Counter(
            "ringfence_answers_aborted_by_policy", "Answers ended because rights changed meanwhile.", registry=registry
        )
        self.search_hits = Histogram(
            "ringfence_search_hits", "Hits of one search, fused, before the check.", buckets=_CHUNKS, registry=registry
        )
        self.search_chunks = Histogram(
            "ringfence_search_chunks",
            "Chunks of one question that may be shown, after check and ranking.",
            buckets=_CHUNKS,
            registry=registry,
        )
        self.first_claim = Histogram(
            "ringfence_first_claim_seconds",
            "Time from the beginning of a question's path until its first verified claim is ready to leave.",
            buckets=_FIRST_SECONDS,
            registry=registry,
        )
        self.generated_tokens = Counter(
            "ringfence_generated_tokens",
            "Tokens that generators wrote, claims that were removed included; in the embedder's vocabulary.",
            registry=registry,
        )
        self._speed = Histogram(
            "ringfence_generated_tokens_per_second",
            "Tokens of a finished answer by the seconds that its generator took.",
            buckets=_TOKENS_PER_SECOND,
            registry=registry,
        )
        self._policy_reads = Counter(
            "ringfence_policy_reads", "Reads of a policy's epoch, by outcome.", ("outcome",), registry=registry
        )
        self._policy_change = Gauge(
            "ringfence_policy_change_seen_timestamp_seconds",
            "When this process last saw a new epoch of a policy; 0 before the first.",
            registry=registry,
        )
        self._epochs: dict[str, int] = {}

    def noticed(self, where: str, codes: Iterable[str]) -> None:
        """Count a question or a passage once for each code."""
        for code in codes:
            self._noticed.labels(where, code).inc()

    def finished(self, timings: Timings) -> None:
        """Note how fast the generator of a finished answer was."""
        seconds = dict(timings.stages).get("generate", 0.0) / 1000
        tokens = dict(timings.counts).get("output_tokens", 0)
        if tokens and seconds > 0:
            self._speed.observe(tokens / seconds)

    def policy_read(self, tenant: str, epoch: int | None) -> None:
        """Count a read; None where it failed."""
        self._policy_reads.labels("unreadable" if epoch is None else "ok").inc()
        # A tenant without a policy is not remembered: unknown names would fill the memory.
        if epoch and self._epochs.get(tenant) != epoch:
            self._epochs[tenant] = epoch
            self._policy_change.set(time.time())


def private_metrics() -> QueryMetrics:
    """Counters that nobody exposes."""
    return QueryMetrics(CollectorRegistry())
