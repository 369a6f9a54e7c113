"""Who is asked about, who can read a document, what callers can read. The counts are laws of test_simulation.py."""

from dataclasses import replace

import pytest

from policies.check import Decision
from policies.paths import Path
from policies.rules import Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from policies.survey.catalogue import Catalogue
from policies.survey.readers import STAND_IN, Disagreement, Reader, everybody, label, people_of, stands_for, what, who

ANN = Caller("t", "user:ann")
DOCUMENT = Attributes("t", "d", "hr", Level.INTERNAL, owner="user:olga", shares=frozenset({"user:sam", "group:far"}))
READ = Rule("role:reader", "t", "read")
RULES = (READ, Rule("assistant:desk", "t", "delete"), Rule("group:staff", "t", "read", level=Level.PUBLIC))
LINKS = (RoleLink("user:ann", "role:reader", "t"), RoleLink("group:hr", "role:reader", "t"))
SNAPSHOT = Snapshot("t", 1, RULES, LINKS)
CATALOGUE = Catalogue((DOCUMENT,))


def stand_in(group: str, name: str = STAND_IN) -> Caller:
    return Caller("t", name, frozenset({group}))


def test_the_people_are_all_whom_policy_or_documents_mention_and_a_stand_in_for_each_group() -> None:
    named = [Caller("t", name) for name in ("assistant:desk", "user:ann", "user:olga", "user:sam")]
    assert people_of(SNAPSHOT, CATALOGUE) == (*named, stand_in("group:hr"), stand_in("group:staff"))
    assert people_of(Snapshot("t", 1, (), ()), Catalogue(())) == ()


def test_a_stand_in_is_told_from_a_person_and_named_by_its_group() -> None:
    labels = [label(caller) for caller in people_of(SNAPSHOT, CATALOGUE)]
    assert labels[-3:] == ["user:sam", "anyone in group:hr", "anyone in group:staff"]
    assert [stands_for(caller) for caller in (ANN, stand_in("group:hr"))] == [None, "group:hr"]
    assert stands_for(replace(ANN, groups=frozenset({"group:hr"}))) is None


@pytest.mark.parametrize("where", ["rule", "link", "owner", "share", "denied share"])
def test_a_stand_in_never_goes_by_a_name_that_means_somebody(where: str) -> None:
    snapshot, document = SNAPSHOT, DOCUMENT
    if where == "rule":
        snapshot = Snapshot("t", 1, (*RULES, Rule(STAND_IN, "t", "read")), LINKS)
    elif where == "link":
        snapshot = Snapshot("t", 1, RULES, (*LINKS, RoleLink(STAND_IN, "role:reader", "t")))
    else:
        column = {"owner": "owner", "share": "shares", "denied share": "denied_shares"}[where]
        document = replace(document, **{column: STAND_IN if where == "owner" else frozenset({STAND_IN})})  # type: ignore[arg-type] # columns by name
    people = people_of(snapshot, Catalogue((document,)))
    assert [caller.subject for caller in people if stands_for(caller)] == [f"{STAND_IN}.2"] * 2
    assert all(stands_for(caller) is None for caller in people if caller.subject == STAND_IN)


def test_people_of_several_snapshots_have_the_same_stand_ins() -> None:
    later = Snapshot("t", 2, (Rule(STAND_IN, "t", "read"), Rule("group:new", "t", "read")), ())
    found = everybody((SNAPSHOT, later), CATALOGUE)
    expected = {stand_in(group, f"{STAND_IN}.2") for group in ("group:hr", "group:new", "group:staff")}
    assert {caller for caller in found if stands_for(caller)} == expected


def test_people_of_several_tenants_are_never_mixed() -> None:
    elsewhere = Catalogue((replace(DOCUMENT, tenant="other"),))
    for snapshots, catalogue in (
        ((SNAPSHOT,), elsewhere),
        ((SNAPSHOT, Snapshot("other", 1, (), ())), CATALOGUE),
        ((), CATALOGUE),
    ):
        with pytest.raises(ValueError, match="exactly one tenant"):
            everybody(snapshots, catalogue)
    assert everybody((SNAPSHOT,), CATALOGUE)


def test_the_readers_of_a_document_come_with_the_rule_and_the_path_to_it() -> None:
    found = who(SNAPSHOT, DOCUMENT, people_of(SNAPSHOT, CATALOGUE))
    assert found == (
        Reader(ANN, READ, Path(("user:ann", "role:reader"))),
        Reader(stand_in("group:hr"), READ, Path((STAND_IN, "group:hr", "role:reader"), vouched=True)),
    )


def test_a_document_has_readers_of_the_action_asked_about_only() -> None:
    people = people_of(SNAPSHOT, CATALOGUE)
    assert [reader.caller.subject for reader in who(SNAPSHOT, DOCUMENT, people, "delete")] == ["assistant:desk"]
    assert who(SNAPSHOT, DOCUMENT, people, "administer") == ()


def test_another_tenants_document_has_no_readers() -> None:
    assert who(SNAPSHOT, replace(DOCUMENT, tenant="other"), (ANN,)) == ()
    assert len(who(SNAPSHOT, DOCUMENT, (ANN,))) == 1


@pytest.mark.parametrize("error", [True, False])
def test_a_check_that_refuses_what_the_plan_admits_is_an_alarm(error: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(SNAPSHOT, DOCUMENT, (ANN,)) and what(SNAPSHOT, (ANN,), CATALOGUE).total
    refusal = Decision(False, "read", None, "no", error=error)
    monkeypatch.setattr("policies.survey.readers.check", lambda *_: refusal)
    with pytest.raises(Disagreement, match="whether user:ann may read document 'd' of tenant 't' at policy version 1"):
        who(SNAPSHOT, DOCUMENT, (ANN,))
    with pytest.raises(Disagreement, match="No answer is given"):
        what(SNAPSHOT, (ANN,), CATALOGUE)


def test_what_a_person_can_read_is_counted_and_shown_highest_first() -> None:
    catalogue = Catalogue(
        replace(DOCUMENT, document=f"d{n}", level=Level(n % 3), department="ab"[n % 2]) for n in range(9)
    )
    reach = what(SNAPSHOT, (ANN,), catalogue, examples=4)
    assert (reach.total, reach.by_department) == (9, {"a": 5, "b": 4})
    assert reach.by_level == {Level.PUBLIC: 3, Level.INTERNAL: 3, Level.CONFIDENTIAL: 3}
    assert [entry.document for entry in reach.examples] == ["d2", "d5", "d8", "d1"]


def test_a_person_and_an_assistant_together_can_read_what_both_may() -> None:
    desk = Caller("t", "assistant:desk")
    assert what(SNAPSHOT, (ANN, desk), CATALOGUE).total == 0
    assert what(SNAPSHOT, (), CATALOGUE).total == 0
    together = Snapshot("t", 2, (*RULES, Rule("assistant:desk", "t", "read")), LINKS)
    assert what(together, (ANN, desk), CATALOGUE).total == 1


def test_who_is_denied_reads_nothing() -> None:
    denied = Snapshot("t", 2, (*RULES, Rule("user:ann", "t", "read", effect=Effect.DENY)), LINKS)
    assert who(denied, DOCUMENT, (ANN,)) == ()
    assert what(denied, (ANN,), CATALOGUE).examples == ()
