"""What the path of a question counts. Labels are fixed words: no tenant, person, document or text."""

from prometheus_client import CollectorRegistry, Counter


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
        self.fallbacks = Counter(
            "ringfence_generator_fallbacks", "Answers by the fallback generator.", registry=registry
        )
        self.policy_changed = Counter(
            "ringfence_answers_aborted_by_policy", "Answers ended because rights changed meanwhile.", registry=registry
        )


def private_metrics() -> QueryMetrics:
    """Counters that nobody exposes."""
    return QueryMetrics(CollectorRegistry())
