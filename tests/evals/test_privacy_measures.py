"""The measures of search, unmasking and outgoing text notice what they are there to notice."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from evals.case_notes import FAMILY, FORMS, case_notes, notes_of_families, question
from evals.privacy import unmask as privacy_unmask
from evals.privacy.outgoing import stream
from evals.privacy.search import Compared
from policies.snapshot import Snapshot
from rag.domain import Principal
from rag.privacy.faces import offline_domains
from rag.privacy.keys import TenantKeys
from rag.privacy.recognize import load_recognizer
from rag.privacy.tenant import TenantPrivacy
from rag.query.reveal import Permit, Shown
from rag.settings import PrivacySettings


async def test_random_policies_give_values_and_none_too_many() -> None:
    tally = await privacy_unmask.on_random_policies(2_000, seed=7)
    assert (tally.over, tally.under) == ([], [])
    assert 100 < tally.given < tally.decisions - 100


async def test_a_path_that_gives_by_the_token_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the text that holds a token did not matter, nor the kind of the value."""

    async def careless(
        wanted: Mapping[str, str], shown: Sequence[Shown], principal: Principal, snapshot: Snapshot
    ) -> dict[str, Permit]:
        return {token: Permit("unmask:ANY", shown[0]) for token in wanted}

    monkeypatch.setattr(privacy_unmask, "permitted", careless)
    tally = await privacy_unmask.on_random_policies(200, seed=7)
    assert len(tally.over) > 50


async def test_a_path_that_gives_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def closed(*_: object) -> dict[str, Permit]:
        return {}

    monkeypatch.setattr(privacy_unmask, "permitted", closed)
    tally = await privacy_unmask.on_random_policies(500, seed=7)
    assert tally.given == 0
    assert tally.under


def test_notes_are_the_same_for_a_seed_and_name_each_person_once() -> None:
    notes = case_notes(200, seed=3)
    assert notes == case_notes(200, seed=3) != case_notes(200, seed=4)
    assert len({(note.first, note.last) for note in notes}) == 200
    assert len({note.last for note in notes}) < 150
    for note in notes[:20]:
        assert all(note.named(form) in question(note, form, with_topic=True) for form in FORMS)
        assert note.mail in note.text


def test_notes_of_families_are_about_whole_families() -> None:
    notes = notes_of_families(5, seed=3)
    assert notes == notes_of_families(5, seed=3)
    assert len({(note.first, note.last) for note in notes}) == 5 * FAMILY
    families = [notes[start : start + FAMILY] for start in range(0, len(notes), FAMILY)]
    assert [len({note.last for note in family}) for family in families] == [1] * 5


def test_a_kind_of_question_that_masking_costs_an_answer_is_noticed() -> None:
    unmasked = {("surname", False): Counter({1: 40, 5: 50}), ("initials", False): Counter({1: 30, 5: 48})}
    better = {("surname", False): Counter({1: 41, 5: 50}), ("initials", False): Counter({1: 45, 5: 50})}
    worse = better | {("initials", False): Counter({1: 15, 5: 47})}
    assert (Compared(unmasked, better, 50).below, Compared(unmasked, worse, 50).below) == (0, 1)
    assert Compared(unmasked, worse, 50).worst_ratio(1) == pytest.approx(0.5)
    assert Compared(unmasked, better, 50).rates()["initials"]["masked_hit_at_1"] == pytest.approx(0.9)


def test_a_stream_comes_out_whole_and_without_its_names() -> None:
    privacy = TenantPrivacy("eval", TenantKeys.of(b"\x01" * 32), load_recognizer(PrivacySettings()), offline_domains())
    text = "Ask the front office first. Then write to Ann Lee at ann.lee@example.com. She answers within a day."
    streamed = stream(text, privacy)
    assert "Lee" not in streamed.text
    assert streamed.text.startswith("Ask the front office first. Then write to <PERSON_")
    assert len(streamed.scans_ms) == 3
    assert 0 < max(streamed.held) < len(text)
