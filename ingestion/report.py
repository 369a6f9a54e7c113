"""What a run did to each document, in words a program and a person can read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Isolation
from ingestion.sources.names import LEFT_OUT
from ingestion.sources.protocol import Skipped
from rag.hidden_content import HiddenFound


class Change(StrEnum):
    """What became of one document. `WAITING` is left to another run, which parses it."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    RELABELLED = "relabelled"
    REMOVED = "removed"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    FAILED = "failed"


class Step(StrEnum):
    """Where a document is on its path. `WRITING` is inside the transaction, just before it commits."""

    STARTED = "started"
    PARSED = "parsed"
    MASKED = "masked"
    EMBEDDED = "embedded"
    WRITING = "writing"
    FINISHED = "finished"


Observer = Callable[[Step, str, int, int], None]
"""Called with (step, path in the source, documents done, documents in all)."""


def both(*observers: Observer) -> Observer:
    """One that tells each of them."""

    def observe(step: Step, path: str, done: int, total: int) -> None:
        for told in observers:
            told(step, path, done, total)

    return observe


@dataclass(frozen=True, slots=True)
class Outcome:
    """`path` is the source's own, unmasked: for the operator's eyes, never for a log. Masked where the source does not
    name it now: of removed ones, and of what waits in quarantine since an earlier listing."""

    path: str = field(repr=False)
    change: Change
    document: str = ""
    chunks: int = 0
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: Reason | None = None
    sentence: str = ""
    previous_stays: bool = False
    """A failed or quarantined document of which an earlier version, under the same labels, can still be read."""
    erased: Mapping[str, int] = field(default_factory=dict)
    """Values of it that the vault does not take because they were erased, by entity: their tokens name nothing."""
    hidden: tuple[HiddenFound, ...] = ()
    """What a reader of the document would not see, and what was done with it."""

    @classmethod
    def failed(cls, path: str, refusal: Refused, *, previous_stays: bool) -> "Outcome":
        return cls(
            path,
            Change.FAILED,
            reason=refusal.reason,
            sentence=refusal.sentence,
            previous_stays=previous_stays,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "change": self.change.value,
            "document": self.document,
            "chunks": self.chunks,
            "flags": list(self.flags),
            "notes": list(self.notes),
            "reason": self.reason.value if self.reason else None,
            "sentence": self.sentence,
            "previous_stays": self.previous_stays,
            "erased": dict(sorted(self.erased.items())),
            "hidden": [asdict(found) for found in self.hidden],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `dry` when nothing was changed."""

    tenant: str
    source: str
    dry: bool
    outcomes: tuple[Outcome, ...]
    skipped: tuple[Skipped, ...]
    notices: tuple[str, ...]
    isolation: Isolation | None
    seconds: float

    @property
    def counts(self) -> dict[Change, int]:
        counted = Counter(outcome.change for outcome in self.outcomes)
        return {change: counted[change] for change in Change}

    @property
    def erased(self) -> Counter[str]:
        """Values that were met in documents and not stored because they were erased, by entity."""
        return sum((Counter(outcome.erased) for outcome in self.outcomes), Counter[str]())

    @property
    def quarantined(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.change is Change.QUARANTINED]

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.change is Change.FAILED]

    @property
    def left_out(self) -> list[Skipped]:
        """Files that may well be documents and are not read, for their names."""
        return [one for one in self.skipped if one.reason in LEFT_OUT]

    @property
    def partly(self) -> bool:
        """Whether somebody is to look at something of it."""
        return bool(self.failures or self.quarantined or self.left_out)

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "source": self.source,
            "dry_run": self.dry,
            "counts": {change.value: count for change, count in self.counts.items()},
            "documents": [outcome.as_json() for outcome in self.outcomes if outcome.change is not Change.UNCHANGED],
            "skipped": [{"path": one.path, "reason": one.reason} for one in self.skipped],
            "erased": dict(sorted(self.erased.items())),
            "notices": list(self.notices),
            "isolation": asdict(self.isolation) if self.isolation else None,
            "seconds": round(self.seconds, 3),
        }
