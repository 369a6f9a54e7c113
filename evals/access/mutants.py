"""The one list of ways to break plan, check, filter and label sets; the proof must notice each."""

from dataclasses import dataclass

from evals.access.check_mutants import CHECKS, Checker
from evals.access.filter_mutants import FILTERS, Filterer
from evals.access.label_set_mutants import LABEL_SETS, Namer, filter_by_label_sets
from evals.access.plan_mutants import PLANS, Planner
from policies.check import check
from policies.plan import plan
from rag.index.filter import access_filter


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is held against the oracle; as it stands, the product."""

    planner: Planner = plan
    checker: Checker = check
    filterer: Filterer = access_filter
    namer: Namer = filter_by_label_sets


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken candidate. `part` is what was broken: plan, check, filter or label sets."""

    part: str
    name: str
    candidate: Candidate

    def __str__(self) -> str:
        return f"{self.part}: {self.name}"


MUTANTS: tuple[Mutant, ...] = (
    *(Mutant("plan", name, Candidate(planner=planner)) for name, planner in PLANS.items()),
    *(Mutant("check", name, Candidate(checker=checker)) for name, checker in CHECKS.items()),
    *(Mutant("filter", name, Candidate(filterer=filterer)) for name, filterer in FILTERS.items()),
    *(Mutant("label sets", name, Candidate(namer=namer)) for name, namer in LABEL_SETS.items()),
)
