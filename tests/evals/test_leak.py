"""The leak eval notices what it must notice, and nothing where nothing is wrong."""

from dataclasses import replace

import pytest

from evals.company import client_of, headers
from evals.leak.asking import examine
from evals.leak.fingerprints import Detector, Section, shingles
from evals.leak.judge import Findings
from evals.leak.logs import captured_log
from evals.leak.plants import PLANTS, PlantedPath
from evals.leak.run import report_of
from evals.leak.surfaces import Asker
from evals.leak.world import DEMO, World
from rag.api.parts import AppParts, QuestionPath
from tests.evals.conftest import KEY
from tests.evals.judging import failing, judge

ENGINEER, CONTRACTOR = DEMO[1], DEMO[2]


async def found_with(parts: AppParts, path: QuestionPath, world: World, *people: str) -> Findings:
    findings = Findings()
    broken = replace(parts, path=path)
    with captured_log():
        async with client_of(broken) as client:
            for person in people:
                await examine(Asker(person, None, client, headers(KEY, person), path), world, findings)
    return findings


async def test_a_path_that_shows_exactly_what_may_be_read_has_no_findings(parts: AppParts, small: World) -> None:
    found = await found_with(parts, parts.path, small, ENGINEER, CONTRACTOR)
    assert (found.leaks, found.hidden, found.failed) == ([], [], [])
    assert found.found["search"] and found.found["chat"] and found.found["stream"] and found.found["passage"]
    assert found.found["mcp_search"] and found.found["mcp_ask"] and found.found["mcp_passage"]
    assert found.calls["passage"] > found.found["passage"]


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_planted_fault_is_found_where_it_was_planted(parts: AppParts, small: World, plant: str) -> None:
    found = await found_with(parts, PlantedPath(parts.path, plant), small, CONTRACTOR)
    where = {surface for _, surface, _, _ in (found.hidden if plant == "hide" else found.leaks)}
    expected = {
        "search": {"search", "mark", "mcp_search"},
        "ask": {"ask", "chat", "stream", "mcp_ask"},
        "passage": {"passage", "mcp_passage"},
        "hide": {"mark"},
    }
    assert {surface for surface in where if not surface.startswith("error:")} == expected[plant]
    assert bool(found.leaks) == (plant != "hide")


async def test_a_value_in_clear_is_found_though_its_document_may_be_read(parts: AppParts, small: World) -> None:
    """The contractor reads the handbook, but may not unmask the addresses in it, which stand there in clear."""
    found = await found_with(parts, parts.path, small, CONTRACTOR)
    assert "contractors@meridian-freight.example" in {value for _, _, _, value in found.unmasked}


async def test_an_eval_that_did_nothing_does_not_pass(small: World) -> None:
    report = report_of(Findings(), small, 1, {})
    assert not judge(report).passed
    floors = {"checked", "fingerprints", "passages_opened", "passages_refused", "surfaces.chat.found", "documents"}
    assert floors <= failing(report)


def test_a_quote_of_five_words_gives_a_section_away_and_common_words_do_not() -> None:
    open_one = Section("open", frozenset(shingles("the price of the house is high")), frozenset({"doc_1"}))
    closed = Section("closed", frozenset(shingles("the price of the house is nine euros")), frozenset({"doc_2"}))
    detector = Detector([open_one, closed], ["open"])
    assert detector.traces("They say: the price of the house is high.") == []
    assert {t.section for t in detector.traces("THE HOUSE, is nine euros")} == {"closed"}
    assert {t.evidence for t in detector.traces("see doc_2 and doc_1")} == {"doc_2"}
    assert detector.traces("you asked: the house is nine euros?", "the house is nine euros?") == []


def test_runs_of_words_do_not_reach_across_a_masked_value() -> None:
    assert shingles("one two three <PERSON_00V41SGCPKZ0SEXV> four five") == set()
    assert shingles("One, two; three four five") == {"one two three four five"}
