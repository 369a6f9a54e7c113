"""Explanations: the path to what decided, the vetoes, and the rules that came nearest."""

from dataclasses import replace
from itertools import pairwise

import pytest

from policies.explain import NEAREST_MAX, Column, Failure, Verdict, explain
from policies.paths import Path, paths_from
from policies.rules import SELF, SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot

ANN = Caller("t", "user:ann")
DESK = Caller("t", "assistant:desk")
WALL = "compartment:north"
DOCUMENT = Attributes("t", "d", "hr", Level.CONFIDENTIAL, tags=frozenset({"eu"}), owner="user:ben")
READER = Rule("role:reader", "t", "read", department="hr")
DENY = Rule("role:left", "t", "read", effect=Effect.DENY)


def links(*pairs: str) -> tuple[RoleLink, ...]:
    """Each pair written as "member parent"."""
    return tuple(RoleLink(member, parent, "t") for member, parent in map(str.split, pairs))


def verdict(
    *rules: Rule, linked: tuple[str, ...] = (), caller: Caller = ANN, document: Attributes = DOCUMENT
) -> Verdict:
    explanation = explain(Snapshot("t", 1, rules, links(*linked)), (caller,), "read", document)
    (found,) = explanation.verdicts
    assert explanation.decision == found.decision
    return found


def test_an_allowed_caller_is_told_the_rule_and_the_path_to_it() -> None:
    found = verdict(READER, linked=("user:ann group:hr", "group:hr role:reader"))
    assert (found.decision.allowed, found.decision.rule) == (True, READER)
    assert found.path == Path(("user:ann", "group:hr", "role:reader"))
    assert (found.veto, found.nearest) == (Verdict(ANN, found.decision).veto, ())


def test_a_rule_about_the_caller_herself_is_reached_by_her_name_alone() -> None:
    assert verdict(Rule("user:ann", "t", "read")).path == Path(("user:ann",))


def test_a_denied_caller_is_told_the_denial_and_the_path_to_it() -> None:
    found = verdict(READER, DENY, linked=("user:ann role:reader", "user:ann role:left"))
    assert (found.decision.allowed, found.decision.rule) == (False, DENY)
    assert found.path == Path(("user:ann", "role:left"))
    assert found.nearest == ()


def test_a_group_of_the_identity_token_is_marked_and_a_stored_one_is_not() -> None:
    vouched = replace(ANN, groups=frozenset({"group:hr"}))
    assert verdict(READER, linked=("group:hr role:reader",), caller=vouched).path == Path(
        ("user:ann", "group:hr", "role:reader"), vouched=True
    )
    stored = verdict(READER, linked=("user:ann group:hr", "group:hr role:reader"), caller=vouched)
    assert stored.path == Path(("user:ann", "group:hr", "role:reader"))


def test_paths_are_the_shortest_and_of_equal_ones_the_first_in_the_alphabet() -> None:
    linked = links(
        "user:ann role:b", "user:ann role:a", "role:a role:x", "role:b role:x", "role:x role:b", "role:x role:y"
    )
    for order in (linked, linked[::-1]):
        paths = paths_from(Snapshot("t", 1, (), order), ANN)
        assert paths["role:x"].names == ("user:ann", "role:a", "role:x")
        assert paths["role:b"].names == ("user:ann", "role:b")
        assert str(paths["role:y"]) == "user:ann -> role:a -> role:x -> role:y"


def test_a_path_is_written_with_the_token_that_it_starts_from() -> None:
    assert str(Path(("user:ann", "group:hr", "role:r"), vouched=True)) == "user:ann -(token)-> group:hr -> role:r"
    assert str(Path(("user:ann",))) == "user:ann"


def test_what_ten_links_lead_to_is_not_reached() -> None:
    chain = ["user:ann", *(f"role:r{n}" for n in range(1, 11))]
    snapshot = Snapshot("t", 1, (), [RoleLink(a, b, "t") for a, b in pairwise(chain)])
    assert "role:r9" in paths_from(snapshot, ANN)
    assert "role:r10" not in paths_from(snapshot, ANN)


def test_a_denied_share_is_told_with_the_path_by_which_it_meets_the_caller() -> None:
    document = replace(DOCUMENT, denied_shares=frozenset({"group:suspects", "user:ben"}))
    found = verdict(READER, linked=("user:ann role:reader", "user:ann group:suspects"), document=document)
    assert not found.decision.allowed
    assert found.veto.denied_shares == (Path(("user:ann", "group:suspects")),)
    assert found.veto.missing_compartments == ()
    assert [(miss.rule, miss.failures) for miss in found.nearest] == [(READER, ())]


def test_missing_compartments_are_told_and_held_ones_are_not() -> None:
    document = replace(DOCUMENT, compartments=frozenset({WALL, "compartment:south"}))
    linked = ("user:ann role:reader", f"user:ann {WALL}")
    found = verdict(READER, linked=linked, document=document)
    assert found.veto.missing_compartments == ("compartment:south",)
    assert bool(found.veto)
    allowed = verdict(READER, linked=(*linked, "user:ann compartment:south"), document=document)
    assert allowed.decision.allowed
    assert not allowed.veto


def test_a_rule_she_is_not_in_is_the_nearest() -> None:
    (miss,) = verdict(READER).nearest
    assert miss.rule == READER
    assert miss.failures == (Failure(Column.SUBJECT, "role:reader", "user:ann"),)
    assert miss.path is None


FAILURES = {
    "department": ({"department": "it"}, Failure(Column.DEPARTMENT, "it", "hr")),
    "level": ({"level": Level.INTERNAL}, Failure(Column.LEVEL, "at most internal", "confidential")),
    "tags": ({"tags": frozenset({"eu", "x"})}, Failure(Column.TAGS, "eu, x", "eu")),
    "owner": ({"owner": SELF}, Failure(Column.OWNER, "user:ann", "user:ben")),
    "document": ({"document": "e"}, Failure(Column.DOCUMENT, "e", "d")),
    "shares": ({"document": SHARED}, Failure(Column.DOCUMENT, "shared with the reader", "none")),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_rule_that_she_holds_tells_what_it_fails_on(name: str) -> None:
    columns, failure = FAILURES[name]
    (miss,) = verdict(Rule("user:ann", "t", "read", **columns)).nearest  # type: ignore[arg-type] # columns by name
    assert miss.failures == (failure,)
    assert miss.path == Path(("user:ann",))


def test_shares_and_ownership_that_hold_are_no_failures() -> None:
    document = replace(DOCUMENT, owner="user:ann", shares=frozenset({"group:hr"}))
    rule = Rule("user:ann", "t", "read", department="it", owner=SELF, document=SHARED)
    (miss,) = verdict(rule, linked=("user:ann group:hr",), document=document).nearest
    assert miss.failures == (Failure(Column.DEPARTMENT, "it", "hr"),)


def test_the_nearest_are_few_of_every_kind_and_in_the_same_order_whatever_the_order_of_rules() -> None:
    others = [Rule(f"role:r{n}", "t", "read", department="it") for n in range(9)]
    many = [Rule("user:ann", "t", "read", department=f"d{n}") for n in range(9)]
    rules = (*others, *many, READER, Rule("role:reader", "t", "delete"), DENY)
    found = verdict(*rules).nearest
    assert verdict(*reversed(rules)).nearest == found
    assert [miss.rule for miss in found] == [READER, *many[:4]]
    assert len(found) == NEAREST_MAX


def test_every_caller_has_a_verdict_and_all_must_be_allowed() -> None:
    snapshot = Snapshot("t", 1, (Rule("user:ann", "t", "read"),), ())
    explanation = explain(snapshot, (ANN, DESK), "read", DOCUMENT)
    assert [found.decision.allowed for found in explanation.verdicts] == [True, False]
    assert not explanation.decision.allowed
    assert not explain(snapshot, (), "read", DOCUMENT).decision.allowed
    both = Snapshot("t", 1, (Rule("user:ann", "t", "read"), Rule("assistant:desk", "t", "read")), ())
    assert explain(both, (ANN, DESK), "read", DOCUMENT).decision.allowed


def test_nothing_is_told_about_another_tenants_document_or_caller() -> None:
    for caller, document in ((ANN, replace(DOCUMENT, tenant="other")), (Caller("other", "user:ann"), DOCUMENT)):
        found = verdict(Rule("user:ann", "t", "read", level=Level.PUBLIC), caller=caller, document=document)
        assert found == Verdict(caller, found.decision)
        assert not found.decision.allowed


def test_a_decision_that_failed_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casbin.Enforcer.enforce_ex", lambda *_: 1 / 0)
    found = verdict(Rule("user:ann", "t", "read"))
    assert found.decision.error
    assert found == Verdict(ANN, found.decision)
