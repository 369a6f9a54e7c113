"""Runs that measured nothing: no eval may pass by one, whatever was asked of it."""

from collections.abc import Iterator, Mapping, Sequence

from evals.runner.entry import Eval
from evals.runner.gates import Thresholds, judged, thresholds_for
from evals.runner.report import Report
from evals.runner.values import Json


def passing(evals: Sequence[Eval], file: Mapping[str, Thresholds]) -> list[str]:
    """The reports, of evals or of names in the gate file, that pass with no figure, or with every figure 0."""
    names = dict.fromkeys((*(one.name for one in evals), *file))
    return [
        f"{name}: {kind}, asked for {', '.join(arguments) or 'nothing'}"
        for name in names
        for kind, arguments, report in reports_of_nothing(name, thresholds_for(name, name, file))
        if report.passed
    ]


def reports_of_nothing(name: str, thresholds: Thresholds) -> Iterator[tuple[str, tuple[str, ...], Report]]:
    """(what it holds, which arguments were given, the judged report): for no argument, each alone, and all of them."""
    arguments = sorted({argument for threshold in thresholds.values() for argument in threshold.when})
    for given in ((), *((one,) for one in arguments), tuple(arguments)):
        told: dict[str, Json] = {argument: argument in given for argument in arguments}
        for kind, figures in (("no figure", {}), ("every figure 0", zeros(thresholds))):
            yield kind, given, judged(Report(name, figures, (), told), thresholds)


def zeros(thresholds: Thresholds) -> dict[str, Json]:
    """Every figure that the thresholds name, as 0; where they name any key, one."""
    paths = {path for path in thresholds}
    for threshold in thresholds.values():
        others = (threshold.at_most_figure, threshold.at_least_figure, *threshold.if_at_least)
        paths |= {path for path in others if path is not None}
    figures: dict[str, Json] = {}
    for path in sorted(paths):
        *above, last = path.replace("*", "any").split(".")
        here = figures
        for key in above:
            inner = here.setdefault(key, {})
            assert isinstance(inner, dict), f"{path} lies below a number"
            here = inner
        here[last] = 0
    return figures
