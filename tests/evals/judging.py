"""Reports as `ringfence eval` judges them: with the gates that come with it."""

from evals.runner.gates import judged, read_gates, thresholds_for
from evals.runner.registry import named
from evals.runner.report import Report


def judge(report: Report) -> Report:
    """The report with the gates of `evals/gates.yaml`."""
    one = named(report.name)
    assert one is not None
    return judged(report, thresholds_for(report.name, one.name, read_gates()))


def failing(report: Report) -> set[str]:
    """The figures whose gate does not hold."""
    return {gate.figure for gate in judge(report).gates if not gate.holds}
