"""Bounds on what a comparison was tried on: two empty answers agree about everything and prove nothing."""

from evals.access.equivalence import FLIPPING, Tally
from evals.runner.report import Gate

_COLUMNS = ("department", "tags", "owner", "document", "shares", "level")
_FLIPS = 0.0005
"""Of all decisions: each part of the model decided at least so many, else leaving it out might go unnoticed."""


def floors(tally: Tally) -> tuple[Gate, ...]:
    """Gates on the shares of `tally`; they are meant for a hundred policies or more."""
    decisions, policies = max(1, tally.decisions), max(1, tally.policies)
    rules = max(1, tally.seen["effective rules"])
    allowed = tally.allowed / decisions
    of_policies = {
        "policies with a reader": 0.4,
        "two callers": 0.1,
        "vouched groups": 0.1,
        "chains of nine and ten links": 0.2,
        "several tenants": 0.3,
    }
    return (
        Gate("allowed share", "at least", 0.08, allowed),
        Gate("allowed share", "at most", 0.70, allowed),
        *(Gate(name, "at least", least, tally.seen[name] / policies) for name, least in of_policies.items()),
        *(Gate(f"flips: {m}", "at least", _FLIPS, tally.seen[f"flips: {m}"] / decisions) for m in FLIPPING),
        *(
            Gate(f"{column} {how}", "at least", 0.01, tally.seen[f"{column} {how}"] / rules)
            for column in _COLUMNS
            for how in ("restricts", "does not restrict")
        ),
    )
