"""Who may share the work on a prompt: readers of one access class, and nobody else."""

from dataclasses import replace

from policies.plan import Clause, Conditions, Grant, Plan
from rag.query.record import plan_digest


def access_class(plan: Plan) -> str:
    """Equal for readers of one tenant who hold the same rules, walls and memberships; a hexadecimal digest.

    A model server that has a prompt's passages in its cache answers sooner, and so tells that somebody was given
    them. Among colleagues of the same rights that is no secret of the documents. What may still differ between them
    is a document shared with, or denied to, one of them by name: a prompt that begins with such a passage cannot be
    brought about by the other. Rules about a reader's own documents keep readers apart.
    """
    if not isinstance(plan, Conditions):
        return plan_digest(plan)
    return plan_digest(replace(plan, grants=tuple(_nameless(grant) for grant in plan.grants)))


def _nameless(grant: Grant) -> Grant:
    """The grant as anybody of the same kind and memberships has it."""
    somebody = grant.subject.partition(":")[0] + ":"

    def names(of: frozenset[str]) -> frozenset[str]:
        return of - {grant.subject} | {somebody} if grant.subject in of else of

    def clauses(of: tuple[Clause, ...]) -> tuple[Clause, ...]:
        return tuple(c if c.shared_with is None else replace(c, shared_with=names(c.shared_with)) for c in of)

    return Grant(somebody, clauses(grant.allow), clauses(grant.deny), names(grant.closure), grant.compartments)
