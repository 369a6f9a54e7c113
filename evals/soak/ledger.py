"""What the callers saw, so that it can be held against what the log says."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

EXAMPLES_MAX = 25


@dataclass(slots=True)
class Ledger:
    """Of calls that came to their end. `answers` are ids of whole answers; counts are by person or by key."""

    answers: list[str] = field(default_factory=list)
    searches: Counter[str] = field(default_factory=Counter)
    passages: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    cut: int = 0
    """Calls that the kill of the service ended."""
    times_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def calls(self) -> int:
        return sum(self.outcomes.values()) + self.cut

    def came(self, kind: str, outcome: str, *, expected: bool, ms: float) -> None:
        """Note how one call ended, and whether that is how it has to end."""
        self.outcomes[kind, outcome] += 1
        self.times_ms[kind].append(ms)
        if not expected:
            self.unexpected.append(f"{kind}: {outcome}")

    @property
    def server_errors(self) -> int:
        return sum(count for (_, outcome), count in self.outcomes.items() if outcome.startswith("5"))


@dataclass(slots=True)
class Recorded:
    """What the audit log of the tenant holds, counted as in `Ledger`."""

    answers: Counter[str] = field(default_factory=Counter)
    searches: Counter[str] = field(default_factory=Counter)
    passages: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def take(self, kind: str, body: Mapping[str, object]) -> None:
        """Count one record."""
        if kind == "answer":
            self.answers[str(body["answer"])] += 1
        elif kind == "search":
            self.searches[str(body["person"])] += 1
        elif kind == "passage":
            self.passages[str(body["person"])] += 1
        elif kind == "denied":
            self.refused[str(body["key"])] += 1


def lost(seen: Ledger, recorded: Recorded) -> int:
    """Calls that were answered and have no record."""
    pairs = ((seen.searches, recorded.searches), (seen.passages, recorded.passages), (seen.refused, recorded.refused))
    counted = sum((mine - theirs).total() for mine, theirs in pairs)
    return counted + sum(answer not in recorded.answers for answer in seen.answers)


def doubled(seen: Ledger, recorded: Recorded) -> int:
    """Answers with more than one record, and answers that were given twice."""
    return sum(count > 1 for count in recorded.answers.values()) + len(seen.answers) - len(set(seen.answers))
