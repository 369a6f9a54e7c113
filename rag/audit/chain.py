"""Verification of a tenant's chain, from the database or from an exported file: records and checkpoints in order."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from rag.audit.checkpoint import Batch, Checkpoint, Pruned, read_checkpoint, statement_digest
from rag.audit.record import NO_PREVIOUS, AuditRecord
from rag.audit.signed import NotSigned

BREAKS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class AuditRef:
    """A place in a tenant's chain: enough to prove later that a record stood there."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where a log does not hold: record, checkpoint or line number `sequence`.

    `reason`, of records: edited, unlinked, missing, head_differs, other_tenant, not_removed (retention had removed
    it), not_covered (by no checkpoint, though it stands in an export). Of checkpoints: unreadable, other_key, edited,
    unlinked, missing, records_differ, other_tenant. Of lines: unreadable, other_key, edited, unfinished.
    """

    sequence: int
    reason: str
    what: Literal["record", "checkpoint", "line"] = "record"


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`head` is the last record, or None for an empty chain. `breaks` holds the first `BREAKS_SHOWN`.

    `covered` is the last record under a signed checkpoint, 0 for none; `removed` the last one that retention removed.
    """

    tenant: str
    checked: int
    head: AuditRef | None
    breaks: tuple[Break, ...]
    checkpoints: int = 0
    covered: int = 0
    removed: int = 0

    @property
    def intact(self) -> bool:
        return not self.breaks


class ChainVerifier:
    """Takes what a log holds in its order: each checkpoint after the last record that it covers."""

    def __init__(
        self,
        tenant: str,
        keys: Collection[str],
        *,
        pruned: Pruned | None = None,
        expected: AuditRef | None = None,
    ) -> None:
        self.tenant = tenant
        self.head: AuditRef | None = None
        self._keys = keys
        self._pruned = pruned
        self._expected = expected
        self._expectation_met = expected is None
        self._breaks: list[Break] = []
        self._checked = 0
        self._previous, self._sequence = NO_PREVIOUS, 0
        self._checkpoints, self._covered, self._statement = 0, 0, NO_PREVIOUS
        self._removed = 0
        self._batch = Batch()

    @property
    def sequence(self) -> int:
        """Of the newest record so far, present or removed by retention."""
        return self._sequence

    @property
    def checkpoints(self) -> int:
        """Number of the newest checkpoint so far."""
        return self._checkpoints

    @property
    def statement_digest(self) -> str:
        """Of the newest checkpoint so far."""
        return self._statement

    def broken(self, found: Break) -> None:
        if len(self._breaks) < BREAKS_SHOWN:
            self._breaks.append(found)

    def record(self, record: AuditRecord) -> None:
        self._checked += 1
        if record.tenant != self.tenant:
            self.broken(Break(record.sequence, "other_tenant"))
        if self._removed and record.sequence <= self._removed:
            self.broken(Break(record.sequence, "not_removed"))
        elif record.sequence != self._sequence + 1:
            self.broken(Break(self._sequence + 1, "missing"))
        elif record.previous != self._previous:
            self.broken(Break(record.sequence, "unlinked"))
        if record.recomputed() != record.digest:
            self.broken(Break(record.sequence, "edited"))
        self._previous, self._sequence = record.digest, record.sequence
        self._batch.add(record)
        self._reached()

    def statement(self, text: str) -> None:
        """The next checkpoint, as signed."""
        self._checkpoints += 1
        try:
            found = read_checkpoint(text, self._keys)
        except NotSigned as cause:
            self.broken(Break(self._checkpoints, cause.reason, "checkpoint"))
        else:
            self._linked(found)
            if self._pruned is not None and found.last <= self._pruned.through:
                self._skip(found)
            else:
                self._compare(found)
            self._checkpoints, self._covered = found.number, found.last
        self._statement = statement_digest(text)
        self._batch = Batch()

    def result(self) -> VerifyResult:
        breaks = list(self._breaks)
        if self._pruned is not None and self._removed != self._pruned.through:
            breaks.append(Break(self._pruned.checkpoint, "missing", "checkpoint"))
        if self._expected is not None and not self._expectation_met:
            breaks.append(Break(self._expected.sequence, "head_differs"))
        shown = tuple(breaks[:BREAKS_SHOWN])
        return VerifyResult(
            self.tenant, self._checked, self.head, shown, self._checkpoints, self._covered, self._removed
        )

    def _linked(self, found: Checkpoint) -> None:
        if found.tenant != self.tenant:
            self.broken(Break(found.number, "other_tenant", "checkpoint"))
        if found.number != self._checkpoints:
            self.broken(Break(self._checkpoints, "missing", "checkpoint"))
        elif found.previous != self._statement or found.first != self._covered + 1:
            self.broken(Break(found.number, "unlinked", "checkpoint"))

    def _skip(self, found: Checkpoint) -> None:
        """Its records are gone; the signed digest of the last one is what the next record follows."""
        self._removed = self._sequence = found.last
        self._previous = found.head
        self._reached()

    def _compare(self, found: Checkpoint) -> None:
        if self._sequence < found.last:
            self.broken(Break(self._sequence + 1, "missing"))
            self._sequence = found.last
        if (self._batch.root, self._previous) != (found.root, found.head):
            self.broken(Break(found.number, "records_differ", "checkpoint"))

    def _reached(self) -> None:
        self.head = AuditRef(self._sequence, self._previous)
        self._expectation_met = self._expectation_met or self.head == self._expected
