"""What a model of a tenant's own is trained on: her visible documents, as the index reads them, and none held out."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from policies.rules import Level
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.db.trainable import Trainable, shown_contents
from rag.domain import Answer
from rag.errors import Misuse
from rag.privacy.unmask import tokens_in
from rag.query.answer import answer
from rag.query.feedback import Feedback, give_feedback
from rag.query.feedback_review import Decision, accept
from rag.query.tuning.cases import FacedCase, faced_cases, share_out
from rag.query.tuning.gate import Gate, gates_of, gates_of_comparison
from rag.query.tuning.material import Cloze, Material, Passage, read_material
from rag.query.tuning.measure import measure
from rag.query.tuning.pairs import Entry, Pair, Question, Split, entries, held_out_questions, split, training_pairs
from rag.query.tuning.preparing import Limits, prepare
from tests.query.company import TENANT, Company, person
from tests.query.test_feedback import REVIEWER, Verdict

NAME = "Margaret Ellison"
SEED = 7


async def read(company: Company, level_max: Level = Level.SECRET, limit: int = 99) -> list[Material]:
    async with company.parts.database.reading() as session:
        privacy = await company.parts.privacy.for_tenant(session, TENANT)
        return await read_material(session, privacy, Trainable(session, TENANT, level_max), limit)


async def changed(company: Company, key: str, **columns: object) -> None:
    async with company.parts.database.unit_of_work() as session:
        await session.execute(update(DocumentRow).where(DocumentRow.id == company.ids[key]).values(**columns))


def keys(company: Company, found: Sequence[Material]) -> set[str]:
    names = {document: key for key, document in company.ids.items()}
    return {names[one.document] for one in found}


def texts_in(found: Sequence[Material]) -> str:
    passages = [passage for one in found for passage in one.passages]
    clozes = [text for passage in passages for cloze in passage.clozes for text in (cloze.sentence, cloze.rest)]
    return "\n".join([*(passage.embedded for passage in passages), *clozes])


async def test_everything_that_readers_see_may_be_trained_on(company: Company) -> None:
    """The twin of what is left out below."""
    assert keys(company, await read(company)) == set(company.ids)
    assert len(await read(company, limit=3)) == 3


async def test_nothing_of_another_tenant_is_read(company: Company) -> None:
    parts = company.parts
    with pytest.raises(Misuse, match="no document") as refusal:
        await prepare(parts.database, parts.privacy, "other", parts.embedder, Limits(), batch=4)
    assert refusal.value.code == "too_little"
    async with parts.database.reading() as session:
        foreign = Trainable(session, "other", Level.SECRET)
        own = await parts.privacy.for_tenant(session, TENANT)
        assert await read_material(session, own, foreign, 99, first=set(company.ids.values())) == []
        assert [await foreign.load(document) for document in company.ids.values()] == [None] * len(company.ids)
        assert await shown_contents(session, "other") == {}
        assert set(await shown_contents(session, TENANT)) == set(company.ids.values())


async def test_what_is_hidden_flagged_walled_off_or_above_the_level_is_left_out(company: Company) -> None:
    await changed(company, "travel", current_version=None)
    await changed(company, "planted", flags=["instruction_override"])
    await changed(company, "merger", compartments=["compartment:falcon"])
    async with company.parts.database.unit_of_work() as session:
        budget = VersionRow.document == company.ids["budget"]
        await session.execute(update(VersionRow).where(budget).values(state="quarantined"))
        await session.execute(
            update(ChunkRow)
            .where(ChunkRow.document == company.ids["contacts"])
            .values(more_compartments=["compartment:x"])
        )
    left = await read(company, level_max=Level.INTERNAL)
    assert keys(company, left) == {"leave"}
    # Its second paragraph is marked as secret.
    assert [len(one.passages) for one in left] == [1]
    assert keys(company, await read(company)) == {"leave", "salaries"}


async def test_training_reads_index_faces_and_no_original(company: Company) -> None:
    """Word for word what a question about her is turned into."""
    found = await read(company)
    async with company.parts.database.reading() as session:
        privacy = await company.parts.privacy.for_tenant(session, TENANT)
    words = privacy.mask_question(f"What does {NAME} earn?").index_face().split()[2:-1]
    text = texts_in(found)
    assert not tokens_in(text) and "Ellison" not in text
    assert words and all(word in text for word in words)
    spoken = [cloze.spoken for one in found for passage in one.passages for cloze in passage.clozes]
    assert any(NAME in said for said in spoken), "as a person would ask, for the comparison in memory"
    assert NAME not in repr(found)


def material(name: str, *sentences: str, mark: str | None = None) -> Material:
    said = sentences or tuple(f"The {name} has {word} more pages now." for word in ("two", "three", "four"))
    clozes = tuple(Cloze(one, " ".join(other for other in said if other != one), one) for one in said)
    passage = Passage(f"chk-{name}", f"About {name}", " ".join(said), clozes)
    return Material(name, f"ver-{name}", "0" * 64, mark or name, (passage,))


MANY = tuple(material(f"paper{number}") for number in range(40))


@settings(max_examples=25)
@given(st.lists(st.sampled_from(MANY), unique=True), st.floats(0.05, 0.5), st.integers(0, 99))
def test_nothing_of_a_held_out_document_is_trained_on(found: list[Material], share: float, seed: int) -> None:
    parts = split(found, share, seed)
    assert sorted(one.document for side in (parts.trained, parts.held_out) for one in side) == sorted(
        one.document for one in found
    )
    pairs = training_pairs(parts.trained, [], seed, 1000)
    assert {pair.document for pair in pairs} == {one.document for one in parts.trained}
    held_out = {sentence.sentence for one in parts.held_out for sentence in one.passages[0].clozes}
    assert not any(text in pair.question + pair.passage for pair in pairs for text in held_out)
    with_more = split([*found, material("later")], share, seed)
    assert set(parts.held_out) <= set(with_more.held_out), "what comes later moves nothing"


def test_copies_of_a_text_are_on_the_same_side_and_both_sides_are_used() -> None:
    copies = [material(f"copy of {one.document}", mark=one.mark) for one in MANY]
    parts = split([*MANY, *copies], 0.3, SEED)
    for side in (parts.trained, parts.held_out):
        assert {one.document for one in side if one in MANY} == {
            one.document.removeprefix("copy of ") for one in side if one in copies
        }
        assert len(side) > 10


def test_the_same_material_and_seed_give_the_same_pairs_and_another_seed_others() -> None:
    pairs = training_pairs(MANY, [], SEED, 30)
    assert pairs == training_pairs(MANY[::-1], [], SEED, 30)
    assert len(pairs) == 30
    assert pairs != training_pairs(MANY, [], SEED + 1, 30)


def test_reviewed_questions_come_before_made_ones_and_never_of_a_document_that_is_not_trained_on() -> None:
    asked = Pair("who wrote it", MANY[0].passages[0].embedded, MANY[0].document)
    assert asked in training_pairs(MANY, [asked], SEED, 5)
    with pytest.raises(ValueError, match="not trained on"):
        training_pairs(MANY[1:], [asked], SEED, 5)


def test_a_question_is_searched_in_passages_that_do_not_hold_its_words() -> None:
    """Else each would be found by its own words, before and after."""
    asked = held_out_questions(MANY[:10], SEED, 8)
    assert len(asked) == 8
    searched = {entry.document: entry.text for entry in entries(MANY[:10], asked)}
    assert len(searched) == 10
    for question, passage, _ in asked:
        (document,) = question.wanted
        assert question.face not in searched[document]
        assert question.face in passage.body


def test_a_measure_tells_a_document_that_is_found_from_one_that_is_not(company: Company) -> None:
    searched = [Entry("leave", "Every employee has 25 days of paid leave."), Entry("rent", "The rent is 900 euros.")]
    asked = [Question("how much holiday do staff get", "", frozenset({"leave"}))]
    wrong = [replace(asked[0], wanted=frozenset({"rent"}))]
    right, missed, nothing = measure(company.parts.embedder, searched, asked, wrong, [])
    assert right == {"ndcg10_ratio": 1.0, "mrr_ratio": 1.0}
    assert missed == {"ndcg10_ratio": 0.6309, "mrr_ratio": 0.5}
    assert nothing == {}


def test_a_gate_holds_from_its_gain_on_and_not_without_a_number() -> None:
    assert Gate("same", 0.5, 0.5).holds
    assert Gate("gained", 0.5, 0.52, 0.02).holds
    assert not Gate("gained too little", 0.5, 0.5199, 0.02).holds
    assert not Gate("no number", 0.5, float("nan")).holds
    one = {"before": {"ndcg10_ratio": 0.6}, "after": {"ndcg10_ratio": 0.61}}
    assert [gate.holds for gate in gates_of({"held_out": one, "feedback": one}, 0.02)] == [False, True]
    figures = {"live_hit5_ratio": 1.0, "hit5_ratio": 0.99, "live_mrr_ratio": 0.9, "mrr_ratio": 0.9}
    assert [gate.holds for gate in gates_of_comparison("held_out", figures, 0.02)] == [True, True]
    assert [gate.holds for gate in gates_of_comparison("feedback", figures, 0.0)] == [False, True]


async def accepted(company: Company, question: str) -> FacedCase:
    """A case of hana's, as a reviewer accepts it."""
    given: Answer = await answer(question, person("hana"), company.parts)
    said = Feedback(given.id, verdict=Verdict.UP, question=question)
    await give_feedback(said, person("hana"), company.parts)
    async with company.parts.database.unit_of_work() as session:
        await accept(session, TENANT, given.id, Decision(REVIEWER.author, REVIEWER.now, (company.ids["salaries"],)))
        (case,) = await faced_cases(session, await company.parts.privacy.for_tenant(session, TENANT))
    return case


async def test_a_case_is_trained_on_or_asked_as_its_document_is(company: Company) -> None:
    case = await accepted(company, f"What is the salary of {NAME}?")
    assert "Ellison" not in case.face and case.spoken == f"What is the salary of {NAME}?"
    found = await read(company)
    salaries = [one for one in found if one.document == company.ids["salaries"]]
    others = [one for one in found if one not in salaries]
    embedder = company.parts.embedder
    (pair,), none = share_out([case], Split(tuple(found), ()), embedder)
    assert (pair.question, pair.passage, none) == (case.face, salaries[0].passages[0].embedded, [])
    no_pair, (question,) = share_out([case], Split(tuple(others), tuple(salaries)), embedder)
    assert (no_pair, question.person, question.wanted) == ([], "user:hana", frozenset({salaries[0].document}))
    assert share_out([case], Split(tuple(others), ()), embedder) == ([], []), "its document is gone"


async def both_sides(company: Company) -> Limits:
    """Limits that share the company's few documents out: its key, and with it the draw, is another one each time."""
    found = await read(company)
    seeds = (seed for seed in range(1000) if len(split(found, 0.4, seed).held_out) == 3)
    return Limits(held_out=0.4, seed=next(seeds))


async def test_a_tenant_with_too_little_is_told_so(company: Company) -> None:
    parts = company.parts
    limits = await both_sides(company)
    with pytest.raises(Misuse, match="too little to tune on") as refusal:
        await prepare(parts.database, parts.privacy, TENANT, parts.embedder, limits, batch=100)
    assert refusal.value.code == "too_little"
    prepared = await prepare(parts.database, parts.privacy, TENANT, parts.embedder, limits, batch=4)
    told = prepared.as_json()
    assert (told["pairs"], told["feedback_pairs"]) == (len(prepared.pairs), 0)
    versions = {one["document"] for side in ("documents", "held_out") for one in told[side]}
    assert versions == set(company.ids.values())
    again = await prepare(parts.database, parts.privacy, TENANT, parts.embedder, limits, batch=4)
    assert again.data_digest == prepared.data_digest
    names = {document: key for key, document in company.ids.items()}
    await changed(company, names[prepared.trained[0].document], flags=["instruction_override"])
    other = await prepare(parts.database, parts.privacy, TENANT, parts.embedder, limits, batch=4)
    assert other.data_digest != prepared.data_digest
