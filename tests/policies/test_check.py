"""Decisions on one document: what decided them, and that every failure denies."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from policies import enforcer
from policies.check import Decision, check
from policies.rules import SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot

ANN = Caller("t", "user:ann")
DESK = Caller("t", "assistant:desk")
DOCUMENT = Attributes("t", "d", "hr", Level.INTERNAL)
ALLOW = Rule("user:ann", "t", "read", department="hr")
ALLOW_DESK = Rule("assistant:desk", "t", "read")
DENY = Rule("role:left", "t", "read", effect=Effect.DENY)
LEFT = RoleLink("user:ann", "role:left", "t")


def snapshot(*rules: Rule, links: tuple[RoleLink, ...] = ()) -> Snapshot:
    return Snapshot("t", 1, rules, links)


def chain(length: int) -> tuple[RoleLink, ...]:
    names = ["user:ann", *(f"role:r{n}" for n in range(1, length + 1))]
    return tuple(RoleLink(a, b, "t") for a, b in itertools.pairwise(names))


def test_a_decision_names_the_rule_that_allowed_it() -> None:
    decision = check(snapshot(ALLOW), [ANN], "read", DOCUMENT)
    assert decision == Decision(True, "read", ALLOW, "user:ann may read all documents of hr")


def test_a_denial_names_the_rule_that_forbade_it() -> None:
    decision = check(snapshot(ALLOW, DENY, links=(LEFT,)), [ANN], "read", DOCUMENT)
    assert decision == Decision(False, "read", DENY, "role:left may not read all documents")


def test_an_empty_policy_denies_without_error() -> None:
    """Casbin alone answers an empty policy by evaluating the matcher on empty columns."""
    decision = check(snapshot(), [ANN], "read", DOCUMENT)
    assert (decision.allowed, decision.rule, decision.error) == (False, None, False)


def test_nobody_asking_is_denied() -> None:
    assert not check(snapshot(ALLOW), [], "read", DOCUMENT).allowed


def test_every_caller_must_be_allowed() -> None:
    assert not check(snapshot(ALLOW), [ANN, DESK], "read", DOCUMENT).allowed
    assert not check(snapshot(ALLOW_DESK), [ANN, DESK], "read", DOCUMENT).allowed
    assert check(snapshot(ALLOW, ALLOW_DESK), [ANN, DESK], "read", DOCUMENT).allowed


def test_callers_and_documents_of_another_tenant_are_denied() -> None:
    assert not check(snapshot(ALLOW), [Caller("other", "user:ann")], "read", DOCUMENT).allowed
    assert not check(snapshot(ALLOW), [ANN], "read", replace(DOCUMENT, tenant="other")).allowed


@pytest.mark.parametrize(("length", "allowed"), [(8, True), (9, True), (10, False), (12, False)])
def test_nine_role_links_hold_and_ten_do_not(length: int, allowed: bool) -> None:
    rule = Rule(f"role:r{length}", "t", "read")
    assert check(snapshot(rule, links=chain(length)), [ANN], "read", DOCUMENT).allowed is allowed


def test_a_vouched_group_counts_as_one_link() -> None:
    rule = Rule("role:r9", "t", "read")
    links = tuple(replace(link, member="group:g") if link.member == "user:ann" else link for link in chain(9))
    vouched = Caller("t", "user:ann", frozenset({"group:g"}))
    assert not check(snapshot(rule, links=links), [vouched], "read", DOCUMENT).allowed
    shorter = Rule("role:r8", "t", "read")
    assert check(snapshot(shorter, links=links), [vouched], "read", DOCUMENT).allowed


def test_a_circle_of_links_that_reached_the_policy_still_ends() -> None:
    links = (
        RoleLink("user:ann", "role:a", "t"),
        RoleLink("role:a", "role:b", "t"),
        RoleLink("role:b", "role:a", "t"),
    )
    assert check(snapshot(Rule("role:b", "t", "read"), links=links), [ANN], "read", DOCUMENT).allowed


def test_a_document_shared_with_thousands_is_decided() -> None:
    """The evaluator cuts lists in a matcher off after 10 000 elements over all rules, and raises."""
    crowd = frozenset(f"user:u{n}" for n in range(3000))
    shared = replace(DOCUMENT, shares=crowd | {"user:ann"}, denied_shares=crowd)
    rules = [Rule("user:ann", "t", "read", document=SHARED, level=level) for level in Level if level]
    assert check(snapshot(*rules), [ANN], "read", shared).allowed
    assert not check(snapshot(*rules), [ANN], "read", replace(shared, denied_shares=shared.shares)).allowed


@pytest.mark.parametrize(
    "broken",
    [
        {"level": "1"},
        {"level": None},
        {"level": True},
        {"level": 1.0},
        {"tags": ["x"]},
        {"compartments": None},
        {"denied_shares": None},
        {"department": ["hr"]},
    ],
)
def test_an_attribute_of_the_wrong_type_denies_with_an_error(broken: dict[str, Any]) -> None:
    whole = {name: getattr(DOCUMENT, name) for name in DOCUMENT.__slots__}
    decision = check(snapshot(ALLOW), [ANN], "read", _with(whole, broken))
    assert (decision.allowed, decision.error, decision.rule) == (False, True, None)
    assert check(snapshot(ALLOW), [ANN], "read", _with(whole, {})).allowed


def _with(whole: dict[str, Any], broken: dict[str, Any]) -> Any:
    return SimpleNamespace(**{**whole, **broken})


def test_a_missing_attribute_denies_with_an_error() -> None:
    decision = check(snapshot(ALLOW), [ANN], "read", SimpleNamespace(tenant="t"))  # type: ignore[arg-type]
    assert (decision.allowed, decision.error) == (False, True)


def test_a_broken_enforcer_denies_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casbin.Enforcer.enforce_ex", lambda *_: 1 / 0)
    decision = check(snapshot(ALLOW), [ANN], "read", DOCUMENT)
    assert (decision.allowed, decision.error) == (False, True)
    assert "ZeroDivisionError" in decision.reason


def test_a_disabled_enforcer_denies_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Casbin allows everything when it is switched off."""

    def disabled(self: Any) -> None:
        self.enable_enforce(False)

    monkeypatch.setattr("casbin.Enforcer.build_role_links", disabled)
    assert check(snapshot(ALLOW), [ANN], "delete", DOCUMENT).allowed is False
    assert check(snapshot(ALLOW), [ANN], "read", DOCUMENT).error


def test_a_decision_cannot_allow_without_a_rule_or_with_an_error() -> None:
    with pytest.raises(ValueError, match="only a rule can allow"):
        Decision(True, "read", None, "")
    with pytest.raises(ValueError, match="only a rule can allow"):
        Decision(True, "read", ALLOW, "", error=True)


def test_threads_deciding_at_once_get_the_right_answers() -> None:
    """Also where all of them come before the matcher was parsed: the parser of 3.11.7 is not safe across threads."""
    enforcer._parsed.cache_clear()
    held = snapshot(ALLOW, DENY, links=(RoleLink("user:ben", "role:left", "t"), RoleLink("user:ben", "role:x", "t")))
    ben = replace(ANN, subject="user:ben")

    def ask(number: int) -> Decision:
        return check(held, [ANN if number % 2 else ben], "read", DOCUMENT)

    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(ask, range(400)))
    assert not any(decision.error for decision in decisions)
    assert [decision.allowed for decision in decisions] == [bool(number % 2) for number in range(400)]
