"""Selections of documents and their counts. That a plan selects the right ones is a law of test_simulation.py."""

from dataclasses import replace
from random import Random

import pytest

from policies.plan import DenyAll, plan
from policies.rules import Attributes, Caller, Level, Rule, Tightening
from policies.snapshot import Snapshot
from policies.survey import postings
from policies.survey.catalogue import CANARY_TAG, Catalogue
from policies.survey.postings import Postings, bitmap, without

ANN = Caller("t", "user:ann")
WALL = "compartment:north"
HANDBOOK = Attributes("t", "handbook", "people", Level.INTERNAL, owner="user:ann")
LEDGER = Attributes("t", "ledger", "finance", Level.CONFIDENTIAL, shares=frozenset({"user:ben", "group:board"}))
TRAP = Attributes(
    "t", "trap", "finance", Level.SECRET, tags=frozenset({CANARY_TAG}), denied_shares=frozenset({"user:cat"})
)
WAGES = HANDBOOK.tightened(Tightening(level=Level.RESTRICTED))
WALLED = HANDBOOK.tightened(Tightening(compartments=frozenset({WALL})))
ALL = Catalogue((TRAP, WALLED, WAGES, LEDGER, HANDBOOK))


def admitted(catalogue: Catalogue, *rules: Rule) -> tuple[Attributes, ...]:
    return catalogue.entries(catalogue.admitted(plan(Snapshot("t", 1, rules, ()), (ANN,))))


def test_a_plan_selects_the_entries_it_admits() -> None:
    assert admitted(ALL, Rule("user:ann", "t", "read", level=Level.INTERNAL)) == (HANDBOOK,)
    assert admitted(ALL, Rule("user:ann", "t", "read", department="finance")) == (LEDGER, TRAP)


def test_a_plan_of_nothing_or_of_another_tenant_selects_nothing() -> None:
    everything = plan(Snapshot("other", 1, (Rule("user:ann", "other", "read"),), ()), (Caller("other", "user:ann"),))
    assert ALL.admitted(everything) == 0
    assert ALL.admitted(DenyAll("no rule")) == 0
    assert Catalogue(()).admitted(everything) == 0
    assert Catalogue((replace(LEDGER, tenant="other"),)).admitted(everything) == 1


def test_documents_of_two_tenants_are_refused() -> None:
    with pytest.raises(ValueError, match="one tenant; these belong to other and t"):
        Catalogue((HANDBOOK, replace(LEDGER, tenant="other")))
    assert Catalogue((HANDBOOK, LEDGER)).tenant == "t"
    assert Catalogue(()).tenant is None


def test_the_order_and_repetition_of_documents_do_not_matter() -> None:
    entries = [TRAP, WALLED, WAGES, LEDGER, HANDBOOK, HANDBOOK]
    Random(1).shuffle(entries)
    assert Catalogue(entries).entries(-1) == ALL.entries(-1) == (HANDBOOK, WALLED, WAGES, LEDGER, TRAP)


def test_a_document_is_counted_once_however_many_of_its_paragraphs_are_selected() -> None:
    assert ALL.count(ALL.everything) == 3
    assert ALL.count(ALL.everything ^ 0b1) == 3
    assert ALL.count(0b00111) == ALL.count(0b00100) == 1
    assert ALL.count(0) == 0


@pytest.mark.parametrize("paragraphs", [1, 2, 3, 4, 7, 8, 9])
def test_any_selection_of_paragraphs_is_one_document(paragraphs: int) -> None:
    labels = [replace(LEDGER, tags=frozenset({f"t{n}"})) for n in range(paragraphs)]
    catalogue = Catalogue([HANDBOOK, *labels, TRAP])
    assert {catalogue.count(selection << 1) for selection in range(1, 2**paragraphs)} == {1}


def test_counts_by_department_and_level_leave_out_what_is_empty() -> None:
    assert ALL.by_department(ALL.everything) == {"finance": 2, "people": 1}
    assert ALL.by_department(0b00001) == {"people": 1}
    assert ALL.by_level(ALL.everything) == {
        Level.INTERNAL: 1,
        Level.CONFIDENTIAL: 1,
        Level.RESTRICTED: 1,
        Level.SECRET: 1,
    }
    assert (ALL.by_level(0), ALL.by_department(0)) == ({}, {})


def test_examples_show_the_highest_level_first_and_each_document_once() -> None:
    assert ALL.examples(ALL.everything, 9) == (TRAP, WAGES, LEDGER)
    assert ALL.examples(ALL.everything, 2) == (TRAP, WAGES)
    assert ALL.examples(0, 9) == ()


def test_what_is_highest_and_walled_in_a_selection_is_told() -> None:
    assert ALL.highest_level(ALL.everything) is Level.SECRET
    assert ALL.highest_level(0b00001) is Level.INTERNAL
    assert ALL.highest_level(0) is None
    assert ALL.compartments_in(ALL.everything) == {WALL}
    assert ALL.compartments_in(0b00001) == frozenset()


def test_names_are_found_where_documents_speak_of_them() -> None:
    assert ALL.people == {"user:ann", "user:ben"}
    assert [name for name in ("user:ann", "user:ben", "user:cat", "user:dan") if ALL.mentions(name)] == [
        "user:ann",
        "user:ben",
        "user:cat",
    ]
    assert ALL.entries(ALL.naming({"group:board", "user:cat", "user:dan"})) == (LEDGER, TRAP)
    assert ALL.entries(ALL.tagged(CANARY_TAG)) == (TRAP,)


def test_labels_are_not_shown_by_repr() -> None:
    assert repr(ALL) == "Catalogue(tenant='t', entries=5)"


@pytest.mark.parametrize("memory", [0, 100, postings.BITMAP_BYTES_MAX])
def test_an_index_answers_the_same_however_little_memory_its_bitmaps_get(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "BITMAP_BYTES_MAX", memory)
    random = Random(7)
    entries = [{name for name in "abc" if random.random() < share} for share in (0.01, 0.2, 0.9) for _ in range(300)]
    index = Postings(entries, len(entries))
    for wanted in ("", "a", "b", "ab", "abc", "z"):
        expected = bitmap([n for n, names in enumerate(entries) if names & set(wanted)], len(entries))
        assert index.any_of(wanted) == expected
    assert set(index) == {"a", "b", "c"}
    assert ("a" in index, "z" in index) == (True, False)


def test_what_is_excluded_is_taken_away() -> None:
    assert without(0b1101, 0b0111) == 0b1000
    assert without(0b1101, 0) == 0b1101
