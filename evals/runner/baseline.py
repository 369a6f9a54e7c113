"""A run beside an earlier one: each figure of both, and which came out worse than noise explains."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals.runner.figures import numbers
from evals.runner.gates import Thresholds
from evals.runner.registry import named
from evals.runner.report import Report, figures_of
from evals.runner.values import Json
from rag.errors import Misuse


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure. `relative` is the change as a share of the old value, None where that was 0 and this is not.

    `worse` is None where the gate file gives no margin for it.
    """

    figure: str
    old: float
    new: float
    relative: float | None
    worse: bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All figures that stand in both, and the names of those that stand in only one."""

    at: str
    commit: str | None
    differences: tuple[Difference, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]

    @property
    def worse(self) -> tuple[str, ...]:
        return tuple(one.figure for one in self.differences if one.worse)

    def record(self) -> dict[str, Json]:
        """What stands in the report below `baseline`."""
        return {
            "at": self.at,
            "commit": self.commit,
            "figures": {
                one.figure: {"old": one.old, "new": one.new, "relative": one.relative, "worse": one.worse}
                for one in self.differences
            },
            "worse": list(self.worse),
            "only_old": list(self.only_old),
            "only_new": list(self.only_new),
        }


def refuse_other(baseline: Mapping[str, Json], eval_name: str) -> None:
    """Before anything is measured.

    Raises:
        Misuse: the baseline is a report of another eval.
    """
    of = named(str(baseline["eval"]))
    if of is None or of.name != eval_name:
        raise Misuse(f"The baseline is a report of {baseline['eval']}, not of {eval_name}.", code="other_eval")


def compare(report: Report, baseline: Mapping[str, Json], thresholds: Thresholds) -> Comparison:
    """`report` beside a baseline of the same eval; figures that differ in name are told, not guessed."""
    old, new = dict(numbers(figures_of(baseline))), dict(numbers(report.figures))
    facts = baseline["manifest"]
    assert isinstance(facts, Mapping)
    return Comparison(
        at=str(facts.get("at")),
        commit=str(facts["commit"]) if facts.get("commit") else None,
        differences=tuple(_difference(name, old[name], new[name], thresholds) for name in new if name in old),
        only_old=tuple(name for name in old if name not in new),
        only_new=tuple(name for name in new if name not in old),
    )


def _difference(name: str, old: float, new: float, thresholds: Thresholds) -> Difference:
    relative = 0.0 if new == old else (new - old) / abs(old) if old else None
    worse: bool | None = None
    for path, threshold in thresholds.items():
        if threshold.margin is not None and _matches(path, name):
            loss = new - old if threshold.lower_is_better else old - new
            worse = loss > threshold.margin * abs(old)
            break
    return Difference(name, old, new, None if relative is None else round(relative, 4), worse)


def _matches(path: str, name: str) -> bool:
    """Whether the dotted `name` is what `path` means; `*` stands for one key, which may hold dots itself."""
    parts = path.split("*")
    if len(parts) == 1:
        return path == name
    if not name.startswith(parts[0]) or not name.endswith(parts[-1]):
        return False
    return len(name) > sum(map(len, parts)) - 1
