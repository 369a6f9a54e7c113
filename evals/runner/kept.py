"""Reports as files: the latest of each eval, and every run under a name of its own that is never written twice."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from evals.runner.values import Json
from rag.errors import Misuse

RUNS = Path("eval-runs")
"""Below the current folder, as the data folder is by default."""


def write_latest(record: Mapping[str, Json], folder: Path) -> Path:
    """Write `NAME.json` below `folder`, replacing the one of the last run."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record['eval']}.json"
    path.write_text(_text(record), encoding="utf-8")
    return path


def keep_run(record: Mapping[str, Json], folder: Path) -> Path:
    """Write the run below `folder` as `TIME-NAME-COMMIT.json`; two runs of one second get a number."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = record["manifest"]
    assert isinstance(facts, Mapping)
    at = f"{datetime.fromisoformat(str(facts['at'])):%Y%m%dT%H%M%SZ}"
    stem = f"{at}-{record['eval']}-{str(facts['commit'] or 'nocommit').replace('+changes', '-changes')}"
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.json"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(_text(record))
            return path
        except FileExistsError:
            number += 1


def read_record(path: Path) -> dict[str, Json]:
    """A report that was written before.

    Raises:
        Misuse: the file cannot be read, or is no report.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise Misuse(f"{path} cannot be read as a report: {cause}", code="no_report") from cause
    if not isinstance(record, dict) or not isinstance(record.get("manifest"), dict) or "eval" not in record:
        raise Misuse(f"{path} is not a report of `ringfence eval`.", code="no_report")
    return record


def kept_runs(folder: Path) -> list[dict[str, Json]]:
    """All reports below `folder`, oldest first; files that are none are left out."""
    found: list[dict[str, Json]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_record(path))
        except Misuse:
            continue
    return sorted(found, key=at_of)


def at_of(record: Mapping[str, Json]) -> str:
    """When the run ended, in UTC; sorts by time."""
    facts = record["manifest"]
    return str(facts.get("at", "")) if isinstance(facts, Mapping) else ""


def _text(record: Mapping[str, Json]) -> str:
    return json.dumps(record, indent=2) + "\n"
