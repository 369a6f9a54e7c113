"""What a trace says of a plan: how large it is and which it was, never whom it is for."""

from collections.abc import Mapping

from policies.plan import DenyAll, Plan, conditions
from rag.query.record import plan_digest
from rag.telemetry.names import Fact


def plan_facts(plan: Plan, epoch: int) -> Mapping[str, Fact]:
    """Its digest is the one in the audit record of the same question."""
    facts: dict[str, Fact] = {"ringfence.epoch": epoch, "ringfence.plan": plan_digest(plan)}
    if isinstance(plan, DenyAll):
        return facts | {"ringfence.denied": True}
    clauses = [clause for grant in plan.grants for clause in (*grant.allow, *grant.deny)]
    return facts | {
        "ringfence.denied": False,
        "ringfence.grants": len(plan.grants),
        "ringfence.clauses": len(clauses),
        "ringfence.conditions": sum(map(conditions, clauses)),
    }
