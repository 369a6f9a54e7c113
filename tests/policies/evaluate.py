"""What a plan means, evaluated on one document without any index: the reading that filters must reproduce."""

from policies.plan import Clause, Grant, Plan
from policies.plan import Conditions as Conditions
from policies.rules import Attributes


def admits(compiled: Plan, attributes: Attributes) -> bool:
    """Whether the plan lets its callers act on a document with these attributes."""
    if not isinstance(compiled, Conditions):
        return False
    return attributes.tenant == compiled.tenant and all(_holds(grant, attributes) for grant in compiled.grants)


def _holds(grant: Grant, attributes: Attributes) -> bool:
    return (
        any(_meets(clause, attributes) for clause in grant.allow)
        and not any(_meets(clause, attributes) for clause in grant.deny)
        and not attributes.denied_shares & grant.closure
        and attributes.compartments <= grant.compartments
    )


def _meets(clause: Clause, attributes: Attributes) -> bool:
    return (
        (clause.departments is None or attributes.department in clause.departments)
        and clause.tags <= attributes.tags
        and (clause.owner is None or attributes.owner == clause.owner)
        and (clause.documents is None or attributes.document in clause.documents)
        and (clause.shared_with is None or bool(attributes.shares & clause.shared_with))
        and attributes.level <= clause.max_level
    )
