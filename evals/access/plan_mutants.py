"""Broken plans: they change what the product's own planner takes or gives, so they stay true to it as it grows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from policies.plan import Clause, Conditions, DenyAll, Grant, Plan, plan
from policies.rules import ANY, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot

Planner = Callable[[Snapshot, Sequence[Caller], str], Plan]


def _each_grant(change: Callable[[Grant], Grant]) -> Planner:
    def planner(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
        compiled = plan(snapshot, callers, action)
        if isinstance(compiled, DenyAll):
            return compiled
        return replace(compiled, grants=tuple(change(grant) for grant in compiled.grants))

    return planner


def _each_clause(change: Callable[[Clause], Clause]) -> Planner:
    return _each_grant(
        lambda grant: replace(
            grant,
            allow=tuple(change(clause) for clause in grant.allow),
            deny=tuple(change(clause) for clause in grant.deny),
        )
    )


def _on_rules(change: Callable[[Rule], Rule | None]) -> Planner:
    def planner(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
        rules = [found for rule in snapshot.rules if (found := change(rule)) is not None]
        return plan(Snapshot(snapshot.tenant, snapshot.epoch, tuple(rules), snapshot.links), callers, action)

    return planner


def _either_caller(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
    plans = [plan(snapshot, (caller,), action) for caller in callers]
    return next((found for found in reversed(plans) if isinstance(found, Conditions)), plans[0])


def _without_vouched(callers: Sequence[Caller]) -> list[Caller]:
    return [replace(caller, groups=frozenset()) for caller in callers]


def following(links: int) -> Planner:
    """Role links are followed so many steps, by standing for what they reach there."""

    def planner(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
        reached = [_reached(snapshot, caller, links) for caller in callers]
        direct = {
            RoleLink(caller.subject, name, snapshot.tenant)
            for caller, names in zip(callers, reached, strict=True)
            for name in names - {caller.subject}
        }
        flat = Snapshot(snapshot.tenant, snapshot.epoch, snapshot.rules, tuple(direct))
        return plan(flat, _without_vouched(callers), action)

    return planner


def _reached(snapshot: Snapshot, caller: Caller, steps: int) -> set[str]:
    reached = {caller.subject}
    for step in range(steps):
        reached |= {link.parent for link in snapshot.links if link.member in reached}
        reached |= caller.groups if step == 0 else frozenset()
    return reached


PLANS: dict[str, Planner] = {
    "denials dropped": _each_grant(lambda grant: replace(grant, deny=())),
    "below instead of at most": _each_clause(lambda c: replace(c, max_level=Level(max(0, c.max_level - 1)))),
    "level ignored": _each_clause(lambda c: replace(c, max_level=Level.SECRET)),
    "owner ignored": _each_clause(lambda c: replace(c, owner=None)),
    "department ignored": _each_clause(lambda c: replace(c, departments=None)),
    "tags ignored": _each_clause(lambda c: replace(c, tags=frozenset())),
    "document ignored": _each_clause(lambda c: replace(c, documents=None)),
    "shares ignored": _each_clause(lambda c: replace(c, shared_with=None)),
    "shares of the person only": _each_grant(
        lambda grant: replace(grant, allow=tuple(_shared_with(clause, grant.subject) for clause in grant.allow))
    ),
    "denied shares of the person only": _each_grant(lambda g: replace(g, closure=frozenset({g.subject}))),
    "no compartment held": _each_grant(lambda grant: replace(grant, compartments=frozenset())),
    "names compared without case": _each_clause(lambda c: replace(c, departments=_any_case(c.departments))),
    "a denial of one document denies all": _on_rules(
        lambda rule: replace(rule, document=ANY) if rule.effect is Effect.DENY else rule
    ),
    "rules of other actions included": _on_rules(lambda rule: replace(rule, action="read")),
    "assistant ignored": lambda snapshot, callers, action: plan(snapshot, callers[:1], action),
    "person ignored": lambda snapshot, callers, action: plan(snapshot, callers[-1:], action),
    "either caller suffices": _either_caller,
    "vouched groups ignored": lambda snapshot, callers, action: plan(snapshot, _without_vouched(callers), action),
    "role links followed one step": following(1),
    "role links followed eight steps": following(8),
    "role links followed ten steps": following(10),
}


def _shared_with(clause: Clause, subject: str) -> Clause:
    return replace(clause, shared_with=None if clause.shared_with is None else frozenset({subject}))


def _any_case(names: frozenset[str] | None) -> frozenset[str] | None:
    return None if names is None else names | {name.upper() for name in names} | {name.lower() for name in names}
