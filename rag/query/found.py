"""What retrieval hands to the rest of the path."""

from dataclasses import dataclass, field

from policies.plan import Plan
from policies.snapshot import Snapshot
from rag.domain import ReadableChunk, Timings
from rag.privacy.tenant import TenantPrivacy


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
    """

    question: str = field(repr=False)
    privacy: TenantPrivacy
    snapshot: Snapshot
    plan: Plan
    chunks: tuple[ReadableChunk, ...] = field(repr=False)
    refused: tuple[str, ...] = ()
