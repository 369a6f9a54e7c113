"""`ringfence eval selftest`: does every eval fail where it must? With a part broken, and where nothing was measured."""

from collections.abc import Sequence
from pathlib import Path

from evals.runner.batch import chosen
from evals.runner.entry import DEFAULT_DATA, Talk
from evals.runner.gates import read_gates
from evals.runner.measuring import MEASURING, named_among
from evals.runner.report import Report
from evals.runner.values import Json
from evals.selftest.nothing import passing, reports_of_nothing
from evals.selftest.registry import TRIALS, UNTRIED
from evals.selftest.trial import Tried
from evals.selftest.trying import try_all


async def selftest(names: Sequence[str], data: Path | None, data_dir: Path | None, talk: Talk) -> Report:
    """All trials, or those of the named evals; without the folder `data`, those that need no public set.

    Raises:
        Misuse: there is no eval of a name.
    """
    evals = chosen(names, (), MEASURING)
    if data is None and DEFAULT_DATA.is_dir():
        data = DEFAULT_DATA
    wanted = [trial for trial in TRIALS if trial.eval in {one.name for one in evals}]
    tried = [one async for one in try_all(wanted, data, data_dir, talk)]
    asked = {name: thresholds for name, thresholds in read_gates().items() if named_among(evals, name)}
    empty = sum(len(list(reports_of_nothing(name, thresholds))) for name, thresholds in asked.items())
    return report_of(tried, passing(evals, asked), empty, names=names, data=data is not None)


def report_of(
    tried: Sequence[Tried], passing: Sequence[str], empty: int, *, data: bool, names: Sequence[str] = ()
) -> Report:
    """Figures by eval and fault. `passing` are the reports, of `empty` ones, that passed with nothing measured.

    A run of the evals that `names` tells never replaces the report of all.
    """
    ran = [one for one in tried if not one.missing]
    faults = [(one.trial, fault) for one in ran for fault in one.faults]
    figures: dict[str, Json] = {
        "evals": len({one.trial.eval for one in ran}),
        "faults": len(faults),
        "faults_on_own_ground": sum(not trial.sets for trial, _ in faults),
        "faults_on_public_sets": sum(bool(trial.sets) for trial, _ in faults),
        "faults_noticed": sum(fault.holds for _, fault in faults),
        "faults_not_planted": sum(len(one.trial.faults) for one in tried if one.missing or not one.faults),
        "twins": len(ran),
        "twins_failed": sum(bool(one.twin) for one in ran),
        "empty_reports": empty,
        "empty_reports_passing": len(passing),
        "passing": list(passing),
        "trials": [_record(one) for one in tried],
        "untried": dict(UNTRIED),
        "registered": len(MEASURING),
    }
    return Report("-".join(["selftest", *names]), figures, (), {"whole": not names, "data": data})


def _record(one: Tried) -> dict[str, Json]:
    told: dict[str, Json] = {
        "eval": one.trial.eval,
        "twin_failed": list(one.twin),
        "seconds": round(one.seconds, 1),
        "faults": {fault.fault: fault.record() for fault in one.faults},
    }
    return told | ({"missing": one.missing} if one.missing else {})
