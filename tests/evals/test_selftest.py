"""No eval passes by doing nothing: each has planted failures that it must notice, and floors under what it measured."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from evals.abstention import report_of as abstention_report
from evals.answers import report_of as answers_report
from evals.fuzz.fuzzer import Findings as Fuzzed
from evals.fuzz.fuzzer import report_of as fuzz_report
from evals.redteam.catalogue import read_catalogue
from evals.redteam.command import Run as Attacked
from evals.redteam.command import report_of as redteam_report
from evals.runner.gates import Threshold, read_gates
from evals.runner.registry import EVALS, named
from evals.runner.report import Report
from evals.selftest import nothing, trying
from evals.selftest.registry import TRIALS, UNTRIED
from evals.selftest.run import report_of
from evals.selftest.trial import Fault, Noticed, Trial, Tried
from evals.selftest.trials import access, search
from tests.evals.judging import judge

GROUND = trying.Ground(None, None, read_gates())


async def tried(trial: Trial) -> Tried:
    return await trying.try_one(trial, GROUND, print)


# --- nothing was measured ---------------------------------------------------------------------------------------


def test_no_eval_passes_with_no_figure_or_with_every_figure_0() -> None:
    assert nothing.passing(EVALS, read_gates()) == []


@pytest.mark.parametrize("name", ["fuzz", "prefixes", "redteam", "soak"])
def test_without_its_floor_an_eval_would_pass_by_doing_nothing(name: str) -> None:
    file = dict(read_gates())
    floors = {path for path, threshold in file[name].items() if threshold.at_least and not threshold.if_at_least}
    bare = {path: threshold for path, threshold in file[name].items() if path not in floors}
    one = named(name)
    assert one is not None and floors
    found = nothing.passing([one], {name: bare})
    assert any(f"{name}: every figure 0" in told for told in found)


def test_the_reports_of_runs_that_found_nothing_to_do_fail() -> None:
    catalogue = read_catalogue()
    empty = (
        answers_report([], {}),
        abstention_report([], 0.5, {}),
        fuzz_report(Fuzzed(), {"paths": {}}, {}),
        redteam_report(catalogue, (), Attacked(), {"selftest": False}),
        Report("ingest", {}, (), {"compare": True, "resync": 0, "hostile": 0, "chunks": 0}),
    )
    assert [report.name for report in map(judge, empty) if report.passed] == []


# --- something is broken ----------------------------------------------------------------------------------------


def test_every_eval_has_a_trial_or_a_reason_for_none() -> None:
    with_trial = {trial.eval for trial in TRIALS}
    assert with_trial.isdisjoint(UNTRIED)
    assert with_trial | set(UNTRIED) == {one.name for one in EVALS}
    assert all(trial.faults for trial in TRIALS)


def test_as_many_faults_are_asked_for_as_are_registered() -> None:
    """One that is taken away must be taken out of the gate file as well, where somebody sees it."""
    asked = read_gates()["selftest"]
    for figure, public in (("faults_on_own_ground", False), ("faults_on_public_sets", True)):
        registered = sum(len(trial.faults) for trial in TRIALS if bool(trial.sets) == public)
        assert asked[figure].at_least == registered


@pytest.mark.parametrize("trial", [access.EQUIVALENCE, search.DRIFT], ids=lambda trial: trial.eval)
async def test_a_small_run_passes_and_fails_with_each_of_its_faults(trial: Trial) -> None:
    """Cheap ones; `ringfence eval selftest` runs them all."""
    few = replace(trial, faults=trial.faults[-2:])
    found = await tried(few)
    assert found.twin == ()
    assert [one.fault for one in found.faults if not one.holds] == []
    assert len(found.faults) == 2


async def test_a_fault_that_changes_nothing_is_not_noticed() -> None:
    harmless = Fault("nothing broken", nullcontext, ("over_grants",))
    found = await tried(replace(access.EQUIVALENCE, faults=(harmless,), options={"decisions": 200}))
    assert found.twin == ()
    assert not found.faults[0].holds
    assert not judge(report_of([found], [], 1, names=["access"], data=False)).passed


async def test_a_fault_that_another_gate_notices_is_not_what_was_promised() -> None:
    other = replace(access.EQUIVALENCE.faults[0], fails=("under_grants",))
    found = await tried(replace(access.EQUIVALENCE, faults=(other,)))
    assert not found.faults[0].holds


@contextmanager
def crashing() -> Iterator[None]:
    with patch("evals.access.command.compare", side_effect=RuntimeError("no index")):
        yield


async def test_a_run_that_breaks_off_has_noticed_nothing() -> None:
    fault = Fault("the run breaks off", crashing, ("over_grants",))
    found = await tried(replace(access.EQUIVALENCE, faults=(fault,), options={"decisions": 200}))
    assert (found.faults[0].holds, found.faults[0].broke) == (False, "RuntimeError: no index")


async def test_a_run_that_fails_with_nothing_broken_fails_the_self_test() -> None:
    found = await tried(replace(access.EQUIVALENCE, faults=access.EQUIVALENCE.faults[:1], narrowed=broken_already()))
    assert "over_grants" in found.twin
    assert not judge(report_of([found], [], 1, names=["access"], data=False)).passed


def broken_already() -> Any:
    return access.EQUIVALENCE.faults[1].broken


def test_a_figure_that_gets_worse_counts_from_the_promised_margin_on() -> None:
    threshold = {"ms": Threshold(at_most=10)}
    whole, slower = Report("access", {"ms": 2.0}, ()), Report("access", {"ms": 30.0}, ())
    slow = partial(Fault, "slow", nullcontext)
    assert trying.noticed_by(slow(worse={"ms": 25.0}), whole, slower, threshold) == ("ms",)
    assert trying.noticed_by(slow(worse={"ms": 29.0}), whole, slower, threshold) == ()
    assert trying.noticed_by(slow(worse={"ms": 25.0}), slower, whole, threshold) == ()
    assert trying.noticed_by(slow(worse={"gone": 1.0}), whole, slower, threshold) == ()
    with pytest.raises(ValueError, match="would be noticed"):
        slow()


# --- the report -------------------------------------------------------------------------------------------------


def noticed(trial: Trial) -> Tried:
    return Tried(trial, (), 1.0, tuple(Noticed(fault.name, fault.fails, "", 1.0) for fault in trial.faults))


def test_a_whole_run_with_every_fault_noticed_passes_and_one_without_the_public_sets_says_so() -> None:
    """Where a folder with public sets was named, those faults are asked for."""
    everything = [noticed(replace(t, faults=tuple(replace(f, fails=("x",)) for f in t.faults))) for t in TRIALS]
    assert judge(report_of(everything, [], 9, data=True)).passed
    own = [Tried(one.trial, missing="no data set") if one.trial.sets else one for one in everything]
    assert judge(report_of(own, [], 9, data=False)).passed
    assert not judge(report_of(own, [], 9, data=True)).passed
    assert report_of(own, [], 9, data=False).figures["faults_not_planted"] != 0
    assert not judge(report_of(everything[1:], [], 9, data=True)).passed
    assert not judge(report_of(everything, ["fuzz: no figure"], 9, data=True)).passed
    assert report_of(everything[:1], [], 1, data=True, names=["access"]).name == "selftest-access"


async def test_what_a_trial_needs_and_is_not_there_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    found = [one async for one in trying.try_all([search.RETRIEVAL], tmp_path, None, told.append)]
    assert [one.missing for one in found] == [f"no data set cacm below {tmp_path}"]
    assert "3 faults are not planted" in told[0]
