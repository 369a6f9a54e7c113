"""Reports: what was measured, on what, and whether the gates hold. Printed, and kept in `evals/reports`."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | Mapping[str, Json] | list[Json] | None"

REPORTS = Path(__file__).parent / "reports"
_PACKAGES = ("ringfence", "qdrant-edge-py", "sentence-transformers", "torch", "presidio-analyzer", "spacy", "pycasbin")


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound that a figure has to keep. `relation` is `at most` or `at least`."""

    figure: str
    relation: str
    bound: float
    value: float

    @property
    def holds(self) -> bool:
        return self.value <= self.bound if self.relation == "at most" else self.value >= self.bound


@dataclass(frozen=True, slots=True)
class Report:
    """One run of an eval. `figures` are merged into the top level of its JSON: others rely on their names."""

    name: str
    figures: Mapping[str, Json]
    gates: tuple[Gate, ...]
    arguments: Mapping[str, Json] = field(default_factory=dict)
    duration_s: float = 0.0

    @property
    def passed(self) -> bool:
        return all(gate.holds for gate in self.gates)

    def record(self) -> dict[str, Json]:
        """The object that is printed with `--json` and written to the report file."""
        return {
            "eval": self.name,
            "passed": self.passed,
            "manifest": manifest(self.arguments, self.duration_s),
            **self.figures,
            "gates": [
                {"figure": g.figure, "must_be": f"{g.relation} {g.bound:g}", "value": g.value, "holds": g.holds}
                for g in self.gates
            ],
        }

    def write(self, folder: Path = REPORTS) -> Path:
        """Write `NAME.json` below `folder`, replacing the one of the last run."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(self.record(), indent=2) + "\n", encoding="utf-8")
        return path


def manifest(arguments: Mapping[str, Json], duration_s: float) -> dict[str, Json]:
    """What somebody needs to run it again: commit, versions, machine, arguments."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: _version(name) for name in _PACKAGES},
        "arguments": dict(arguments),
        "duration_s": round(duration_s, 1),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout, with `+changes` where files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        head = _git(here, "rev-parse", "--short=12", "HEAD")
        return f"{head}+changes" if _git(here, "status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
