"""Trials one after another: each as it is, then with each of its faults, judged by the gates that its eval has."""

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from unittest.mock import patch

from evals.runner.batch import missing_for
from evals.runner.entry import Talk
from evals.runner.figures import as_number, figures_at
from evals.runner.gates import Thresholds, judged, read_gates, thresholds_for
from evals.runner.measuring import MEASURING, named_among
from evals.runner.report import Report
from evals.running import company_folder
from evals.selftest.loaded import loaded_once
from evals.selftest.trial import Fault, Noticed, Trial, Tried
from evals.soak.process import ServedCompany, environment
from rag.errors import RingfenceError


@dataclass(frozen=True, slots=True)
class Ground:
    """What trials stand on: the public sets, the sample company where a trial needs it, and the gates."""

    data: Path | None
    company: Path | None
    gates: Mapping[str, Thresholds]

    @asynccontextmanager
    async def options(self, trial: Trial) -> AsyncIterator[dict[str, object]]:
        """Those of the trial's command. The company is a copy: no run meets what another one left."""
        options = dict(trial.options)
        if trial.sets:
            options["data"] = self.data
        if not trial.company:
            yield options
            return
        assert self.company is not None
        with tempfile.TemporaryDirectory(prefix="ringfence-selftest-") as scratch:
            folder = Path(scratch) / "company"
            shutil.copytree(self.company, folder)
            if not trial.served:
                yield {**options, "data_dir": folder}
                return
            # The settings name the folder, in which the service has written where it answers.
            service = ServedCompany(folder, folder.with_name("service.log"))
            async with service.running():
                with patch.dict(os.environ, environment(folder)):
                    yield options


async def try_all(
    trials: Sequence[Trial], data: Path | None, data_dir: Path | None, talk: Talk
) -> AsyncIterator[Tried]:
    """Yield each trial as it ends. What it needs and is not there is said in `missing`.

    `data_dir` holds the sample company, of which every run gets a copy; None for a new one.
    """
    missing = [missing_of(trial, data) for trial in trials]
    company = any(trial.company and not lacking for trial, lacking in zip(trials, missing, strict=True))
    async with AsyncExitStack() as stack:
        stack.enter_context(loaded_once())
        folder = await stack.enter_async_context(company_folder(data_dir, talk)) if company else None
        ground = Ground(data, folder, read_gates())
        for trial, lacking in zip(trials, missing, strict=True):
            if lacking:
                talk(f"{trial.eval}: {len(trial.faults)} faults are not planted: {lacking}")
                yield Tried(trial, missing=lacking)
            else:
                yield await try_one(trial, ground, talk)


def missing_of(trial: Trial, data: Path | None) -> str:
    """What is not there of what the trial needs; nothing where it can run."""
    one = named_among(MEASURING, trial.eval)
    assert one is not None
    return missing_for(replace(one, sets=trial.sets), data)


async def try_one(trial: Trial, ground: Ground, talk: Talk) -> Tried:
    """The trial as it is, then with each of its faults."""
    began = time.perf_counter()
    whole = await _carried_out(trial, ground)
    seconds = time.perf_counter() - began
    if isinstance(whole, str):
        talk(f"{trial.eval}: with nothing broken it ends with {whole}")
        return Tried(trial, (whole,), seconds)
    failing = tuple(dict.fromkeys(name for name in failing_gates(whole) if not _named(name, trial.beyond)))
    failing = failing or (() if whole.gates else ("no gate",))
    told = f"FAILS {', '.join(failing)}" if failing else "holds"
    talk(f"{trial.eval}, nothing broken: {told} ({seconds:.0f} s)")
    faults = []
    for fault in trial.faults:
        noticed = await _plant(trial, fault, whole, ground)
        faults.append(noticed)
        told = f"noticed by {', '.join(noticed.by[:4])}" if noticed.holds else f"NOT NOTICED {noticed.broke}"
        talk(f"{trial.eval}, {fault.name}: {told} ({noticed.seconds:.0f} s)")
    return Tried(trial, failing, seconds, tuple(faults))


async def _plant(trial: Trial, fault: Fault, whole: Report, ground: Ground) -> Noticed:
    began = time.perf_counter()
    with fault.broken():
        report = await _carried_out(trial, ground)
    seconds = time.perf_counter() - began
    if isinstance(report, str):
        return Noticed(fault.name, (), report, seconds)
    return Noticed(fault.name, noticed_by(fault, whole, report, _thresholds(report, trial, ground)), "", seconds)


async def _carried_out(trial: Trial, ground: Ground) -> Report | str:
    """The judged report, or the name of the error with which the run ended."""
    one = named_among(MEASURING, trial.eval)
    assert one is not None
    try:
        with trial.narrowed():
            async with ground.options(trial) as options:
                report = await one.prepare(**options)(_silent)
    except (RingfenceError, RuntimeError, ValueError, TypeError, KeyError, OSError, ExceptionGroup) as cause:
        return f"{type(cause).__name__}: {cause}"[:200]
    return judged(report, _thresholds(report, trial, ground))


def _thresholds(report: Report, trial: Trial, ground: Ground) -> Thresholds:
    return thresholds_for(report.name, trial.eval, ground.gates)


def _silent(message: str) -> None:
    """Progress of a run that is one of many."""


def noticed_by(fault: Fault, whole: Report, broken: Report, thresholds: Thresholds) -> tuple[str, ...]:
    """The gates of `fault` that hold in `whole` and fail in `broken`, and the figures that are so much worse.

    Where one of several figures is not, none counts: all of them were promised.
    """
    before = set(failing_gates(whole))
    gates = [name for name in dict.fromkeys(failing_gates(broken)) if name not in before and _named(name, fault.fails)]
    worse = [path for path, by in fault.worse.items() if _loss(path, whole, broken, thresholds) >= by]
    if len(worse) < len(fault.worse):
        return ()
    return (*gates, *worse) if gates or not fault.fails else ()


def _loss(path: str, whole: Report, broken: Report, thresholds: Thresholds) -> float:
    """By how much the figure came out worse; negative infinity where one of the reports does not have it."""
    was, now = (_figure(report, path) for report in (whole, broken))
    if was is None or now is None or path not in thresholds:
        return float("-inf")
    return now - was if thresholds[path].lower_is_better else was - now


def _figure(report: Report, path: str) -> float | None:
    found = [as_number(value) for _, value in figures_at(report.figures, path)]
    return found[0] if len(found) == 1 else None


def failing_gates(report: Report) -> list[str]:
    """Figures of the gates that do not hold."""
    return [gate.figure for gate in report.gates if not gate.holds]


def _named(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
