"""The red team: its catalogue is sound, an attack that gets through is noticed, and a twin that fails is too."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from evals.cli import evaluate
from evals.redteam.catalogue import FAMILIES, Attack, Catalogue, mapped, read_catalogue
from evals.redteam.command import Run, break_all, report_of, try_all
from evals.redteam.company import Company, open_company
from evals.redteam.faults import FAULTS
from evals.redteam.fill import Known, filled
from evals.redteam.tokens import Forger
from rag.api.schemas import ChatRequest
from tests.evals.judging import failing
from tests.models import loaded_once

CHOSEN = (
    "injection-override", "existence-by-refusal", "filter-in-a-search", "name-in-capitals", "token-expired",
    "role-key-beyond-its-scope", "key-revoked", "policy-exported", "error-that-echoes", "opening-unrecorded",
)  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue()


def small(catalogue: Catalogue) -> Catalogue:
    """A few attacks, and the documents that they need."""
    names = {"vault-code.md", "wages.md", "merger.md", "gym.md"}
    return Catalogue(
        policy=catalogue.policy,
        documents=tuple(one for one in catalogue.documents if one.name in names),
        attacks=tuple(one for one in catalogue.attacks if one.id in CHOSEN),
    )


def test_every_family_is_tried_and_every_attack_has_a_fault_that_lets_it_through(catalogue: Catalogue) -> None:
    counts = mapped(catalogue.attacks)
    assert len(catalogue.attacks) >= 60
    assert set(counts["families"]) == set(FAMILIES)
    assert {one.fault for one in catalogue.attacks} == set(FAULTS)
    assert all(one.twin for one in catalogue.attacks)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"owasp": "LLM11"}, "is not in the lists"),
        ({"absent": [], "audit": [], "steps": [{"ask": "Why?"}]}, "nothing that comes back"),
        ({"steps": [{"ask": "Why?", "search": "Why?"}]}, "say one of"),
        ({"twin": []}, "at least 1"),
        ({"verdict": "none"}, "not permitted"),
    ],
)
def test_an_attack_that_could_not_succeed_or_has_no_twin_is_refused(
    catalogue: Catalogue, change: dict[str, Any], told: str
) -> None:
    sound = next(one for one in catalogue.attacks if one.id == "key-revoked")
    raw = sound.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    Attack.model_validate(raw)
    with pytest.raises(ValidationError, match=told):
        Attack.model_validate(raw | change)


def test_places_in_strings_are_filled_and_an_unknown_one_is_refused() -> None:
    known = Known({}, {"eve": "rf_1"}, Forger("s" * 64))
    assert filled({"$(repeat:3,ab)": ["$(base64:hi)", 1]}, known) == {"ababab": ["aGk=", 1]}
    assert filled("Bearer $(key:eve)", known) == "Bearer rf_1"
    with pytest.raises(KeyError):
        filled("$(document:none)", known)


def test_every_forgery_differs_from_the_valid_token() -> None:
    forger = Forger("s" * 64)
    made = {name: forger(name) for name in forger.names}
    assert len(set(made.values())) == len(made) >= 15


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    with loaded_once():
        yield


@pytest.fixture
async def company(catalogue: Catalogue, tmp_path: Path) -> AsyncIterator[Company]:
    async with open_company(tmp_path, small(catalogue)) as opened:
        yield opened


async def test_a_whole_service_stops_what_a_broken_one_lets_through(company: Company, catalogue: Catalogue) -> None:
    chosen = small(catalogue)
    run = await try_all(company, chosen.attacks, lambda _: None)
    await break_all(company, chosen.attacks, run, lambda _: None)
    found = report_of(chosen, chosen.attacks, run, {"selftest": True})
    assert found.figures["succeeded"] == found.figures["twins"] == {}
    assert (found.figures["plants"], found.figures["missed"]) == (len(CHOSEN), [])
    assert failing(found) == {"attacks"}  # fewer than the catalogue must have

    # A service that refuses everybody defends nothing: its twins fail.
    company.known.bearers = dict.fromkeys(company.known.bearers, "rf_none")
    refused = await try_all(company, chosen.attacks[:2], lambda _: None)
    assert all(one.twin for one in refused.tried.values())
    assert failing(report_of(chosen, chosen.attacks[:2], refused, {"selftest": False})) >= {"twins_failed"}


def test_a_run_that_tried_nothing_does_not_pass(catalogue: Catalogue) -> None:
    assert "attacks" in failing(report_of(catalogue, (), Run(), {"selftest": False}))


def test_garak_is_told_what_the_api_takes_and_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "garak.json"
    result = CliRunner().invoke(
        evaluate, ["redteam", "--garak-config", str(path), "--url", "http://h:1/", "--person", "ann"]
    )
    assert result.exit_code == 0
    assert f"-G {path}" in result.output.replace("\n", "")
    generator = json.loads(path.read_text())["rest"]["RestGenerator"]
    assert generator["uri"] == "http://h:1/v1/chat/completions"
    assert generator["headers"]["Authorization"] == "Bearer $KEY"
    assert generator["headers"]["X-Ringfence-Person"] == "ann"
    asked = json.dumps(generator["req_template_json_object"]).replace("$INPUT", "Why?")
    assert ChatRequest.model_validate_json(asked).messages[0].content == "Why?"


def test_a_family_that_is_none_is_refused_by_name() -> None:
    result = CliRunner().invoke(evaluate, ["redteam", "--family", "none"])
    assert result.exit_code != 0
    assert "no family 'none'" in str(result.exception)
