"""A question's explanation as one reader may see it: ids, numbers, rules and sentences of the generator.

No text and no title of a document is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policies.check import Decision
from policies.rules import Rule
from rag.query.marking import Gate
from rag.query.objections import Objection


class Fate(StrEnum):
    """What became of a chunk that the person may read."""

    GIVEN = "given"
    CUT = "given_cut"
    """Its beginning alone: it is longer than the budget by itself."""
    BUDGET = "budget"
    """It did not fit into `generator.context_chars` any more."""
    LIMIT = "limit"
    """Others came first: `service.passages`, or the limit of the call."""

    @property
    def given(self) -> bool:
        """Whether the generator, or the reader of a search, got it."""
        return self in (Fate.GIVEN, Fate.CUT)

    @property
    def whole(self) -> bool:
        return self is Fate.GIVEN


class Drop(StrEnum):
    """Why a hit of the index went no further."""

    REFUSED = "refused_by_check"
    STALE_LABELS = "stale_labels"
    """Refused as well: the index has labels that SQL has replaced."""
    STALE_VERSION = "stale_version"


class Verdict(StrEnum):
    """What became of a sentence that the generator wrote."""

    SUPPORTED = "supported"
    MARKED = "marked"
    """Shown as unsupported."""
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A sentence as it was verified: the reading face, with personal data of the generator's own masked.

    `gate` is why it was not even shown as unsupported, where unsupported ones are.
    """

    text: str = field(repr=False)
    verdict: Verdict
    objection: Objection | None = None
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """`dense` is cosine and `lexical` BM25, None where that branch did not find it; the others are rank scores."""

    dense: float | None
    lexical: float | None
    fused: float
    reranked: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that the check let pass. `rule` is what allowed it, None where the reader may not see that."""

    chunk: str
    document: str
    scores: Scores
    rule: Rule | None
    fate: Fate


@dataclass(frozen=True, slots=True)
class Dropped:
    """A hit that went no further. `decision` is None for one that nobody had to decide about."""

    chunk: str
    document: str
    scores: Scores
    reason: Drop
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class RulesOf:
    """The rules that speak about one caller. `complete` is False where there are others, unseen or too many."""

    subject: str
    rules: tuple[Rule, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class PlanExplained:
    """`denied` is why nothing may be read at all. `searches` is how many the plan was split into, each of `rounds`."""

    epoch: int
    denied: str | None
    callers: tuple[RulesOf, ...]
    conditions: int
    searches: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the reader may not see is left out, and counted in `withheld`, by `Fate` or `Drop`, for readers of the whole
    tenant's policy alone: others would learn that documents exist which answer the question. Another tenant's hits
    are only counted, and for the operator alone. None where it is not for this reader to know.
    """

    plan: PlanExplained
    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]
    withheld: Mapping[str, int] | None
    other_tenants: int | None
    judgements: tuple[Judgement, ...]
