"""The access eval notices what it must, counts what it says, and keeps the report of a whole run apart."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evals.access import chunks, equivalence, overhead, revocation, search
from evals.access.chunks import EVERYTHING, make_chunks, make_readers
from evals.access.command import Asked, Wanted, access_report, equivalence_figures, equivalence_gates, wanted_of
from evals.access.company import make_company
from evals.access.engine import Shards
from evals.access.equivalence import Tally, compare
from evals.access.floors import floors
from evals.access.mutants import MUTANTS
from evals.access.peer import INSTALL, measure_peer
from evals.access.printing import READER_COLUMNS, print_access
from evals.access.replica import Asked as Answered
from evals.access.search import measure_search, recall
from evals.cli import evaluate
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from tests.evals.judging import failing, judge

SEED = 7


def silent(message: str) -> None:
    """Progress nobody reads."""


def report_of(figures: Mapping[str, Json], gates: tuple[Gate, ...] = (), **arguments: Json) -> Report:
    """A report of the parts that `arguments` name, and of no others."""
    parts: dict[str, Json] = {"decisions": 0, "mutants": False, "rules": [], "chunks": [], "revocations": 0}
    return Report("access", figures, gates, parts | {"peer_measured": False, "speed_gates": False} | arguments)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    with Shards(tmp_path_factory.mktemp("shards")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "over", "under"),
    [
        ("plan: denials dropped", True, False),
        ("check: slice without denials", True, False),
        ("filter: seal dropped", True, False),
        ("filter: first allow clause only", False, True),
        ("check: shares ignored", True, True),
    ],
)
def test_a_product_that_is_broken_turns_the_report_red(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, name: str, over: bool, under: bool
) -> None:
    """Over-grants and under-grants apart, with an example that says where."""
    broken = next(mutant.candidate for mutant in MUTANTS if str(mutant) == name)
    monkeypatch.setattr(equivalence, "PRODUCT", broken)
    tally = compare(SEED, 30, shards, silent, size=60)
    assert (tally.over_grants > 0, tally.under_grants > 0) == (over, under)
    wrong = failing(report_of(equivalence_figures(tally), equivalence_gates(tally, 1), decisions=1))
    assert ("over_grants" in wrong, "under_grants" in wrong) == (over, under)
    assert {way for way, found in ((True, over), (False, under)) if found}


def test_the_product_as_it_stands_passes_and_is_counted(shards: Shards) -> None:
    tally = compare(SEED, 30, shards, silent, size=60)
    assert (tally.policies, tally.decisions, tally.over_grants, tally.under_grants) == (30, 1800, 0, 0)
    assert failing(report_of(equivalence_figures(tally), equivalence_gates(tally, 1800), decisions=1800)) == set()
    assert tally.allowed > 0


def test_worlds_in_which_nothing_is_ever_allowed_do_not_pass() -> None:
    empty = Tally(policies=1000, decisions=200_000)
    assert {"allowed share", "policies with a reader"} <= {gate.figure for gate in floors(empty) if not gate.holds}
    assert not all(gate.holds for gate in equivalence_gates(Tally(), 1000))


# --- what is run, and which report it keeps ---------------------------------------------------------------------


def test_naming_no_part_runs_everything_and_keeps_the_report_that_others_read() -> None:
    assert wanted_of(Asked()) == Wanted()
    assert Wanted().name == "access"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (Asked(decisions=1_000_000), "access-equivalence"),
        (Asked(mutants=True), "access-mutants"),
        (Asked(chunks=(1_000_000,)), "access-chunks"),
        (Asked(bench=True), "access-rules-chunks-revocations-peer"),
    ],
)
def test_a_run_of_some_parts_never_replaces_the_report_of_all(asked: Asked, name: str) -> None:
    assert wanted_of(asked).name == name


def test_a_size_goes_before_the_usual_one() -> None:
    wanted = wanted_of(Asked(bench=True, rules=(10,)), seed=3)
    assert (wanted.rules, wanted.chunks, wanted.seed, wanted.decisions) == ((10,), Wanted().chunks, 3, 0)


async def test_a_report_holds_the_keys_that_others_rely_on() -> None:
    report = await access_report(wanted_of(Asked(decisions=2000)), silent)
    assert failing(report) == set()
    assert {"decisions", "over_grants", "under_grants", "seed"} <= report.record().keys()


def test_the_command_explains_itself_without_loading_what_it_measures() -> None:
    result = CliRunner().invoke(evaluate, ["access", "--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in ("--decisions", "--mutants", "--bench", "--seed"))


# --- measures ---------------------------------------------------------------------------------------------------

COSINES = np.array([0.9, 0.8, 0.7, 0.6], np.float32)


@pytest.mark.parametrize(
    ("readable", "found", "expected"),
    [
        ([True, True, True, True], [0, 1, 2, 3], 1.0),
        ([False, True, True, False], [1, 2], 1.0),
        ([False, True, True, False], [2], 0.5),
        ([True, True, False, False], [2, 3], 0.0),
        ([False, False, False, False], [], 1.0),
    ],
)
def test_recall_counts_what_the_reader_could_have_found(
    readable: list[bool], found: list[int], expected: float
) -> None:
    assert recall(COSINES, np.array(readable), np.array(found, dtype=np.int64)) == expected


def test_readers_are_as_wide_as_asked_and_one_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SHARES", (0.1,))
    monkeypatch.setattr(chunks, "DRAFTS", 3)
    made = make_chunks(SEED, 5000, 8)
    everything, *others = make_readers(SEED, made)
    assert (everything.subject, everything.share) == (EVERYTHING, 1.0)
    assert all(0.02 < reader.share < 0.4 for reader in others)
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)


async def test_search_is_measured_through_the_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SHARES", (0.1,))
    monkeypatch.setattr(chunks, "DRAFTS", 2)
    monkeypatch.setattr(search, "DIM", 8)
    found = await measure_search(SEED, [1000], tmp_path, silent)
    assert failing(report_of({"search": found}, chunks=[1000])) == set()
    speedy = judge(report_of({"search": found}, chunks=[1000], speed_gates=True))
    assert len(speedy.gates) == len(judge(report_of({"search": found}, chunks=[1000])).gates) + 2


@pytest.mark.parametrize("rules", [10, 300])
async def test_authorisation_is_measured_by_the_path_of_a_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: int
) -> None:
    monkeypatch.setattr(overhead, "EDITS", 2)
    figures = (await overhead.measure_overhead(SEED, [rules], tmp_path, silent))[str(rules)]
    assert isinstance(figures, dict)
    assert figures["rules"] == rules == len(make_company(SEED, rules).rules)
    for name in ("start", "cold", "warm", "cold_plan", "check_per_document", "casbin_per_document"):
        assert {f"{name}_ms_p50", f"{name}_ms_p95"} <= figures.keys()


@pytest.mark.parametrize(("answers", "stale"), [((True, False), 0), ((True, True, False), 1)])
def test_an_answer_to_a_question_that_started_after_the_commit_is_stale(answers: tuple[bool, ...], stale: int) -> None:
    """Committed at 1.5: the first question started before it, the others after."""
    asked = [Answered(started, started + 0.2, allowed) for started, allowed in enumerate(answers, start=1)]
    figures = revocation.figures_of([20.0], [(1.5, one) for one in asked])
    assert (figures["stale"], figures["asked_after"]) == (stale, len(answers) - 1)
    report = report_of({"revocation": figures}, revocations=1, speed_gates=True)
    assert failing(report) == (set() if stale == 0 else {"revocation.stale"})


@pytest.mark.timeout(180)
async def test_two_processes_obey_each_revocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "RULES", 50)
    figures = await revocation.measure_revocation(SEED, 4, tmp_path, silent)
    assert (figures["revocations"], figures["replicas"], figures["stale"]) == (4, 2, 0)
    assert failing(report_of({"revocation": figures}, revocations=4)) == set()


async def test_without_the_peer_nothing_is_compared_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said: list[str] = []
    assert await measure_peer(SEED, tmp_path, said.append) is None
    assert said == [INSTALL]


def test_printing_shows_what_was_measured_and_nothing_of_what_was_not(capsys: pytest.CaptureFixture[str]) -> None:
    way = {"search_ms_p50": 1.5, "leaks": 0}
    figures = {
        "over_grants": 0,
        "authorization": {"100000": {"warm_ms_p95": 8.25}},
        "search": {
            "10000": {"leaks": 0, "readers": [{"reader": "user:everything", **dict.fromkeys(READER_COLUMNS, 0.5)}]}
        },
        "peer": {"peer": "wardowl 2.1.0", "ours": way, "prefilter": way, "postfilter": way, "chunks": 20},
    }
    print_access(Report("access", figures, ()))
    shown = capsys.readouterr().out
    assert all(
        part in shown for part in ("over_grants 0", "100000", "8.25", "everything", "wardowl 2.1.0", "chunks 20")
    )
    print_access(Report("access", {"peer": None}, ()))
    assert capsys.readouterr().out == ""
