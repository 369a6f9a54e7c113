"""The parts of a leak run beside a live service, each by itself. The whole is in `tests/e2e/test_leak_live.py`."""

import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from evals.cli import evaluate
from evals.live.canaries import TEXT_WORDS, canaries_of, new_word, write
from evals.live.curve import auc_of
from evals.live.journal import Journal, Journals, new_journal
from evals.live.labels import OTHER_DEPARTMENT, combinations, values_of
from evals.live.places import places_of, removal
from evals.live.rights import Lines, classes_of
from evals.live.telling_apart import AUC_MAX, Samples, figures_of
from evals.live.transport import Patient
from ingestion.parse.structure import _MARKER
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Labels
from rag.errors import Conflict, Damaged, Misuse, Unavailable


def rule(subject: str, **columns: Any) -> dict[str, Any]:
    usual = {"action": "read", "department": "*", "tags": (), "owner": "*", "document": "*", "level": 4}
    return {"subject": subject, **usual, "effect": "allow", **columns}


LINES = Lines(
    rules=(
        rule("role:lawyer", department="legal", level=2),
        rule("role:employee", tags=("all",), level=1),
        rule("role:employee", owner="self"),
        rule("role:employee", document="@shared"),
        rule("role:guest", effect="deny", tags=("all",)),
        rule("assistant:desk", level=1),
        rule("user:lea", action="administer"),
    ),
    links=(
        {"member": "user:ann", "parent": "role:employee"},
        {"member": "user:bea", "parent": "role:employee"},
        {"member": "user:cleo", "parent": "role:lawyer"},
        {"member": "user:cleo", "parent": "compartment:deal"},
        {"member": "role:lawyer", "parent": "role:employee"},
    ),
)


def test_people_with_the_same_rights_are_one_class_and_a_rule_by_name_makes_another() -> None:
    found = classes_of(LINES)
    assert [(one.people, one.parents, len(one.rules)) for one in found] == [
        (2, ("role:employee",), 0),
        (1, (), 1),
        (1, ("compartment:deal", "role:lawyer"), 0),
    ]


def test_an_own_tenant_has_the_same_rules_for_made_up_people_and_no_real_one() -> None:
    journal = new_journal(2, ("acme",))
    copy, neighbour, existing = places_of(journal, {"acme": LINES}, 10)
    subjects = {rule.subject for rule in copy.edit.add_rules} | {link.member for link in copy.edit.add_links}
    people = {subject for subject in subjects if subject.startswith("user:")}
    assert people == set(copy.people) and all(person.startswith(journal.people) for person in people)
    assert {rule.tenant for rule in copy.edit.add_rules} == {copy.tenant} != {"acme"}
    assert len(copy.edit.add_rules) == len(LINES.rules)
    assert copy.assistants == ("assistant:desk",) and existing.assistants == ()
    assert not set(copy.people) & {*existing.people, *existing.strangers, *neighbour.people}
    assert {rule.subject for rule in existing.edit.add_rules} | {
        link.member for link in existing.edit.add_links
    } == set(existing.people)


def test_what_takes_the_people_out_again_names_them_and_nobody_else() -> None:
    journal = new_journal(1, ("acme",))
    mine = {"member": f"{journal.people}0", "parent": "role:lawyer"}
    grown = Lines((*LINES.rules, rule(f"{journal.people}1")), (*LINES.links, mine))
    edit = removal("acme", grown, journal.people)
    assert [r.subject for r in edit.remove_rules] == [f"{journal.people}1"]
    assert [link.member for link in edit.remove_links] == [f"{journal.people}0"]
    assert removal("acme", LINES, journal.people).empty


def test_combinations_have_different_readers_and_bring_in_every_kind_of_value() -> None:
    people = ("user:ann", "user:cleo")
    values = values_of(LINES, people)
    assert values.departments == ("legal", OTHER_DEPARTMENT) and values.tags == ("all",)
    assert values.compartments == ("compartment:deal",)
    taken = combinations(LINES, values, people, 16, Random(1))
    oracle = LINES.oracle
    readers = {frozenset(p for p in people if oracle.may([p], "read", labels)) for labels in taken}
    assert readers == {frozenset(), frozenset({"user:ann"}), frozenset({"user:cleo"}), frozenset(people)}
    assert {labels.level for labels in taken} == set(range(5))
    assert len(combinations(LINES, values, people, 2, Random(1))) == 2


@pytest.mark.parametrize("seed", range(25))
def test_however_few_combinations_are_taken_one_tells_people_apart(seed: int) -> None:
    """Else a service that shows everything to everybody might pass by chance."""
    people = ("user:ann", "user:bea", "user:cleo")
    (first,) = combinations(LINES, values_of(LINES, people), people, 1, Random(seed))
    readers = [person for person in people if LINES.oracle.may([person], "read", first)]
    assert 0 < len(readers) < len(people)


def test_canaries_are_read_back_under_the_labels_that_they_were_made_for(tmp_path: Path) -> None:
    values = values_of(LINES, ("user:ann",))
    canaries = canaries_of(combinations(LINES, values, ("user:ann",), 8, Random(2)))
    write(canaries, tmp_path)
    items = FolderSource(tmp_path, "canaries").listing().items
    assert len(items) == len(canaries)
    for one, item in zip(canaries, items, strict=True):
        assert isinstance(item.labels, Labels)
        told = item.labels
        assert (told.department, told.level, told.owner) == (one.labels.department, one.labels.level, one.labels.owner)
        assert (told.tags, told.shares) == (frozenset(one.labels.tags), frozenset(one.labels.shares))
        assert one.path in item.path and one.tag in told.tags
        with item.open() as file:
            text = file.read().decode()
        assert all(word in text for word in (one.title, *one.text)) and len(one.text) == TEXT_WORDS
        assert bool(_MARKER.search(text)) == one.stricter
    assert len({word for one in canaries for word in one.words}) == len(canaries) * (TEXT_WORDS + 3)
    assert new_word() != new_word()


def test_a_journal_is_there_until_it_is_forgotten(tmp_path: Path) -> None:
    journals, journal = Journals(tmp_path), new_journal(2, ("acme",))
    with journals.alone():
        journals.write(journal)
        assert Journals(tmp_path).left() == (journal,)
        journals.forget(journal)
    assert journals.left() == ()


def test_two_runs_at_once_are_refused_and_one_after_the_other_is_not(tmp_path: Path) -> None:
    with Journals(tmp_path).alone(), pytest.raises(Conflict), Journals(tmp_path).alone():
        pass
    with Journals(tmp_path).alone():
        pass


@pytest.mark.parametrize("tenant", ["acme", "leak-00000000-0", ""])
def test_a_journal_that_names_a_tenant_that_no_run_made_is_refused(tmp_path: Path, tenant: str) -> None:
    """Own tenants are removed with everything in them."""
    journals = Journals(tmp_path)
    with journals.alone():
        journals.write(Journal("12345678", (tenant,), ()))
    with pytest.raises(Damaged):
        journals.left()


def test_the_area_under_the_curve_is_that_of_all_pairs_with_ties_halved() -> None:
    found = auc_of(np.array([1.0, 2.0, 3.0, 3.0]), np.array([0.0, 2.0, 3.0, 5.0]))
    assert found.value == pytest.approx((1 + 1.5 + 2.5 + 2.5) / 16)
    low, high = found.interval()
    assert low < found.value < high


def samples(n: int, **differing: float) -> Samples:
    """`n` pairs at one surface that differ by nothing but what is named."""
    chance, found = Random(3), Samples()
    for _ in range(n):
        for there in (True, False):
            usual = {"ms": chance.gauss(20, 3), "bytes": float(chance.randrange(900, 1100))}
            told = {name: usual.get(name, 0.0) + by for name, by in differing.items()} if there else {}
            found.by_surface["search"].append((there, {**usual, **told}))
    return found


@pytest.mark.parametrize("feature", ["ms", "bytes", "header x-cache number"])
def test_each_sign_is_told_apart_and_without_it_nothing_is(feature: str) -> None:
    clean = figures_of(samples(60))
    assert (clean["features_told_apart"], clean["told_apart"]) == (0, [])
    by = {"ms": 10.0, "bytes": 300.0}.get(feature, 1.0)
    told = figures_of(samples(60, **{feature: by}))
    assert told["features_told_apart"] == 1
    if feature == "ms":
        assert isinstance(told["time_auc"], float) and told["time_auc"] > AUC_MAX


def test_a_few_pairs_prove_nothing() -> None:
    """All larger than all others by chance is nothing rare among few, and no error is to be seen then."""
    assert figures_of(samples(4, ms=1000.0))["features_told_apart"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "http://127.0.0.1:1"],
        ["--tenant", "acme"],
        ["--against", "live", "--plant-in", "all"],
        ["--against", "live", "--limit", "1"],
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(evaluate, ["leak", *arguments])
    assert isinstance(result.exception, Misuse)


def refused_tool(wait: object, **result: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"isError": True, "_meta": {"ringfence": {"retry_after_s": wait}}} | result,
    }


def as_event(message: object) -> httpx.Response:
    return httpx.Response(200, text=f"event: message\r\ndata: {json.dumps(message)}\r\n\r\n")


async def through(*responses: httpx.Response) -> tuple[httpx.Response, int]:
    """What a patient caller gets where the service answers with these in turn, the last for ever; and her calls."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return responses[min(len(asked), len(responses)) - 1]

    async with httpx.AsyncClient(transport=Patient(httpx.MockTransport(answer))) as client:
        return await client.get("http://service/"), len(asked)


FINE = httpx.Response(200, json={"result": {"_meta": {"ringfence": {"retry_after_s": 9}}}})
"""Says how long to wait, and refuses nothing."""


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(200, json=refused_tool(0)),
        httpx.Response(200, json=refused_tool(0.0)),
        as_event(refused_tool(0)),
    ],
)
async def test_a_call_that_was_too_much_is_made_again_after_the_time_the_service_names(refusal: httpx.Response) -> None:
    response, calls = await through(refusal, refusal, FINE)
    assert (response.json(), calls) == (FINE.json(), 3)
    with pytest.raises(Unavailable, match="again and again"):
        await through(refusal)


@pytest.mark.parametrize(
    "response",
    [
        FINE,
        httpx.Response(429),
        httpx.Response(503, headers={"Retry-After": "1"}),
        httpx.Response(200, json=refused_tool(0, isError=False)),
        httpx.Response(200, json={"error": {"message": "retry_after_s"}}),
        httpx.Response(200, text="data: retry_after_s\n\n"),
    ],
)
async def test_whatever_else_comes_is_taken_as_it_is(response: httpx.Response) -> None:
    got, calls = await through(response, FINE)
    assert (got.status_code, got.content, calls) == (response.status_code, response.content, 1)


@pytest.mark.parametrize(
    "refusal",
    [httpx.Response(429, headers={"Retry-After": "3600"}), httpx.Response(200, json=refused_tool(3600))],
)
async def test_nobody_waits_an_hour_for_a_call(refusal: httpx.Response) -> None:
    with pytest.raises(Unavailable, match="3600 s"):
        await through(refusal, FINE)
