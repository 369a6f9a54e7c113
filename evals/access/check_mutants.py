"""Broken checks: what a mutant forgets is taken out of what the product's own check is shown."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from policies.check import Decision, check
from policies.rules import ANY, SELF, SHARED, Attributes, Caller, Effect, Level, Rule
from policies.snapshot import Snapshot

Checker = Callable[[Snapshot, Sequence[Caller], str, Attributes], Decision]


def _shown(change: Callable[[Attributes], Attributes]) -> Checker:
    def checker(snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Attributes) -> Decision:
        return check(snapshot, callers, action, change(attributes))

    return checker


def _slice(keep: Callable[[Rule], bool]) -> Checker:
    def checker(snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Attributes) -> Decision:
        rules = tuple(rule for rule in snapshot.rules if keep(rule))
        return check(Snapshot(snapshot.tenant, snapshot.epoch, rules, snapshot.links), callers, action, attributes)

    return checker


def _asked(change: Callable[[Sequence[Caller]], Sequence[Caller]]) -> Checker:
    return lambda snapshot, callers, action, attributes: check(snapshot, change(callers), action, attributes)


def _without_vouched(callers: Sequence[Caller]) -> list[Caller]:
    return [replace(caller, groups=frozenset()) for caller in callers]


def _any_caller(snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Attributes) -> Decision:
    decisions = [check(snapshot, (caller,), action, attributes) for caller in callers]
    return next((decision for decision in decisions if decision.allowed), decisions[0])


CHECKS: dict[str, Checker] = {
    "level ignored": _shown(lambda a: replace(a, level=Level.PUBLIC)),
    "one level below": _shown(lambda a: replace(a, level=Level(max(0, a.level - 1)))),
    "compartments ignored": _shown(lambda a: replace(a, compartments=frozenset())),
    "one compartment suffices": _shown(lambda a: replace(a, compartments=frozenset(sorted(a.compartments)[:1]))),
    "shares ignored": _shown(lambda a: replace(a, shares=frozenset())),
    "denied shares ignored": _shown(lambda a: replace(a, denied_shares=frozenset())),
    "owner ignored": _shown(lambda a: replace(a, owner="")),
    "tags ignored": _shown(lambda a: replace(a, tags=frozenset())),
    "document ignored": _shown(lambda a: replace(a, document="another")),
    "slice without rules for all departments": _slice(lambda rule: rule.department != ANY),
    "slice without rules of one department": _slice(lambda rule: rule.department == ANY),
    "slice without shared documents": _slice(lambda rule: rule.document != SHARED),
    "slice without rules of one document": _slice(lambda rule: rule.document in (ANY, SHARED)),
    "slice without rules about owners": _slice(lambda rule: rule.owner != SELF),
    "slice without denials": _slice(lambda rule: rule.effect is Effect.ALLOW),
    "assistant ignored": _asked(lambda callers: callers[:1]),
    "person ignored": _asked(lambda callers: callers[-1:]),
    "either caller suffices": _any_caller,
    "vouched groups ignored": _asked(_without_vouched),
}
