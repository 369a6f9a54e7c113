"""Reports: what was measured, on what, and whether the gates hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evals.runner.manifest import manifest
from evals.runner.values import Json

REPORTS = Path(__file__).parents[1] / "reports"


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound that a figure has to keep. `relation` is `at most` or `at least`; without a value it does not hold."""

    figure: str
    relation: str
    bound: float
    value: float | None
    why: str = ""
    """Why there is no value, or none to hold it against."""

    @property
    def holds(self) -> bool:
        if self.value is None:
            return False
        return self.value <= self.bound if self.relation == "at most" else self.value >= self.bound

    def record(self) -> dict[str, Json]:
        told: dict[str, Json] = {
            "figure": self.figure,
            "must_be": f"{self.relation} {self.bound:g}",
            "value": self.value,
            "holds": self.holds,
        }
        return told | {"why": self.why} if self.why else told


@dataclass(frozen=True, slots=True)
class Report:
    """One run of an eval. `figures` are merged into the top level of its JSON: others rely on their names.

    `gates` of an eval's own are those that compare figures of the run; thresholds stand in `evals/gates.yaml`.
    `provenance` is what the manifest tells besides: see `evals.runner.manifest`.
    """

    name: str
    figures: Mapping[str, Json]
    gates: tuple[Gate, ...]
    arguments: Mapping[str, Json] = field(default_factory=dict)
    duration_s: float = 0.0
    provenance: Mapping[str, Json] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """A run of which nothing is asked has not passed: it could as well have done nothing."""
        return bool(self.gates) and all(gate.holds for gate in self.gates)

    def record(self) -> dict[str, Json]:
        """The object that is printed with `--json` and written to the report file."""
        return {
            "eval": self.name,
            "passed": self.passed,
            "manifest": manifest(self.arguments, self.duration_s, self.provenance),
            **self.figures,
            "gates": [gate.record() for gate in self.gates],
        }


BESIDE_FIGURES = frozenset({"eval", "passed", "manifest", "gates", "baseline"})
"""What stands in a report at the top level and is no figure."""


def figures_of(record: Mapping[str, Json]) -> dict[str, Json]:
    """The figures of a report that was read from a file."""
    return {name: value for name, value in record.items() if name not in BESIDE_FIGURES}
