"""What retrieval hands to the rest of the path."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.plan import Plan
from policies.snapshot import Snapshot
from rag.domain import GuardCodes, ReadableChunk, Timings
from rag.privacy.tenant import TenantPrivacy
from rag.query.guard import guard_codes


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gives: chunks best first, all of them readable by the principal at `epoch`."""

    chunks: tuple[ReadableChunk, ...]
    epoch: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How the chunks were found: the policy and the plan of that moment, and who was refused what.

    `question` is the reading face: masked. `refused` are chunks that the index returned and the check refused.
    `noticed` are codes of what in the question speaks to a model, `flagged` those of the chunks that do, by id.
    """

    question: str = field(repr=False)
    privacy: TenantPrivacy
    snapshot: Snapshot
    plan: Plan
    chunks: tuple[ReadableChunk, ...] = field(repr=False)
    refused: tuple[str, ...] = ()
    noticed: tuple[str, ...] = ()
    flagged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cell: int | None = None
    """Where in the embedding space the question lies, as `rag.query.cells` says; None where nothing was searched."""
    neighbours: Mapping[str, tuple[ReadableChunk, ...]] = field(default_factory=dict, repr=False)
    """By chunk, what may be read of what stands beside it, in the order of the text."""

    @property
    def guard(self) -> GuardCodes:
        """What an answer may say of it: nothing of chunks that this reader may not read is in it."""
        return guard_codes(self.noticed, self.flagged.values())
