"""Decisions that differ from Casbin's, a search without its filter, and rights that are taken away and stay."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from evals.access import chunks, command, equivalence, overhead, revocation, search
from evals.access.hunt import hunt
from evals.access.mutants import MUTANTS, Candidate, Mutant
from evals.selftest.stale_replica import remembering_replica
from evals.selftest.trial import Fault, Trial
from policies.plan import Conditions, Plan, plan
from policies.rules import Caller
from policies.snapshot import Snapshot
from rag.index.embedded import EmbeddedStore
from rag.index.render import edge_filter
from rag.index.store import Hits, Query
from rag.index.tree import AtMost, Every

BROKEN = (
    ("plan: denials dropped", "over_grants"),
    ("plan: shares ignored", "over_grants"),
    ("check: slice without denials", "over_grants"),
    ("filter: level ignored", "over_grants"),
    ("filter: first allow clause only", "under_grants"),
    ("label sets: all points of the tenant", "over_grants"),
)
"""Mutants, and the gate that must notice each; `eval access --mutants` hunts all of them."""
TIMES = ("*_ms_p95", "*_ms_p99", "search.*_ratio")
"""Of a machine that does other work as well."""
SLOW_S = 0.1
QUESTIONS = 8


def _mutant(name: str) -> AbstractContextManager[object]:
    candidate = next(one.candidate for one in MUTANTS if str(one) == name)
    return patch.object(equivalence, "PRODUCT", candidate)


def _unbroken() -> AbstractContextManager[object]:
    """One mutant more, which is the product itself: nothing can notice it."""
    whole = (*MUTANTS, Mutant("plan", "nothing broken", Candidate()))
    return patch.object(command, "hunt", partial(hunt, mutants=whole, policies=20))


def everything_admitted() -> AbstractContextManager[object]:
    """The embedded index is given a filter that every point passes."""
    open_to_all = edge_filter(Every((AtMost("epoch", 2**31),)))
    return patch.object(EmbeddedStore, "_filter", lambda self, node: open_to_all)


@contextmanager
def half_lost() -> Iterator[None]:
    """Every other hit of a search is lost."""
    inner = EmbeddedStore.search

    async def searched(self: EmbeddedStore, plan: Conditions, query: Query, *, limit: int) -> Hits:
        hits = await inner(self, plan, query, limit=limit)
        return replace(hits, dense=hits.dense[::2])

    with patch.object(EmbeddedStore, "search", searched):
        yield


@contextmanager
def _slow_plan() -> Iterator[None]:
    def planned(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
        time.sleep(SLOW_S)
        return plan(snapshot, callers, action)

    with patch.object(overhead, "plan", planned):
        yield


@contextmanager
def _few_questions() -> Iterator[None]:
    with patch.object(search, "_questions", lambda count: QUESTIONS), patch.object(chunks, "DRAFTS", 2):
        yield


EQUIVALENCE = Trial(
    "access",
    options={"decisions": 2_000},
    faults=tuple(Fault(name, partial(_mutant, name), (gate,)) for name, gate in BROKEN),
)
HUNT = Trial(
    "access",
    options={"mutants": True},
    faults=(Fault("a mutant that nothing notices", _unbroken, ("mutants_killed",)),),
)
SEARCH = Trial(
    "access",
    options={"chunks": [1_000]},
    narrowed=_few_questions,
    beyond=TIMES,
    faults=(
        Fault("the index admits every point", everything_admitted, ("search.*.leaks",)),
        Fault("half of the hits are lost", half_lost, ("search.*.recall_at_10_worst",)),
    ),
)
REVOCATION = Trial(
    "access",
    options={"revocations": 4},
    narrowed=lambda: patch.object(revocation, "RULES", 500),
    beyond=TIMES,
    faults=(
        Fault(
            "a policy is remembered after it was changed",
            lambda: patch.object(revocation, "serve_replica", remembering_replica),
            ("revocation.stale",),
        ),
    ),
)
SPEED = Trial(
    "access",
    options={"rules": [10]},
    narrowed=lambda: patch.object(overhead, "EDITS", 10),
    beyond=TIMES,
    faults=(Fault("planning is slow", _slow_plan, worse={"authorization_at_largest.warm_ms_p95": 1000 * SLOW_S / 2}),),
)
ACCESS = (EQUIVALENCE, HUNT, SEARCH, REVOCATION, SPEED)
