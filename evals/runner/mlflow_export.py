"""Kept runs in an MLflow tracking store: an experiment for each report, a run for each file, never twice.

Metrics are the figures by dotted name, parameters the arguments, tags the digests of the manifest and the gates. Names
and texts of questions or documents are no figures and stay in the files. MLflow's own usage reports are switched off.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evals.runner.figures import numbers
from evals.runner.kept import at_of, read_record
from evals.runner.report import figures_of
from evals.runner.values import Json
from rag.errors import Misuse, Unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "ringfence/{name}"
_RUN = "ringfence.report_sha256"
_BATCH = 900
"""MLflow takes 1,000 metrics in one call."""
_PARAM_CHARS = 6000


def export(paths: Sequence[Path], uri: str) -> int:
    """Write the reports to the store at `uri` (`sqlite:///mlflow.db`); the number that was not there yet.

    Raises:
        Misuse: MLflow is not installed, or a file is no report; then nothing is written.
        Unavailable: the store refused a run. Those before it are written; exporting again adds the others.
    """
    records = [(read_record(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]
    client = _client(uri)
    return sum(_write(client, record, digest) for record, digest in records)


def _client(uri: str) -> "MlflowClient":
    # Read when it is imported.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        from mlflow import MlflowClient  # noqa: PLC0415 - an extra that most installations do not have
    except ModuleNotFoundError as cause:
        raise Misuse("MLflow is not installed: pip install '.[mlflow]'.", code="not_installed") from cause
    return MlflowClient(tracking_uri=uri)


def _write(client: "MlflowClient", record: Mapping[str, Json], digest: str) -> bool:
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - as above
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - as above

    name = EXPERIMENT.format(name=record["eval"])
    facts = record["manifest"]
    assert isinstance(facts, Mapping)
    ended_ms = round(datetime.fromisoformat(at_of(record)).timestamp() * 1000)
    try:
        experiment = client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment is not None else client.create_experiment(name)
        if client.search_runs([number], f"tags.`{_RUN}` = '{digest}'", max_results=1):
            return False
        started_ms = ended_ms - round(_seconds(facts) * 1000)
        run = client.create_run(number, start_time=started_ms, run_name=f"{record['eval']} {at_of(record)}").info.run_id
        metrics = [Metric(_allowed(figure), value, ended_ms, 0) for figure, value in numbers(figures_of(record))]
        client.log_batch(
            run,
            params=[Param(_allowed(key), value[:_PARAM_CHARS]) for key, value in _params(facts)],
            tags=[RunTag(key, value) for key, value in _tags(record, facts)],
        )
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run, metrics=metrics[start : start + _BATCH])
        # Last: a run without it was broken off, and is written anew the next time.
        client.set_tag(run, _RUN, digest)
        client.set_terminated(run, "FINISHED" if record.get("passed") else "FAILED", ended_ms)
    except MlflowException as cause:
        raise Unavailable(f"MLflow did not take the run of {record['eval']}: {cause}") from cause
    return True


def _params(facts: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    arguments = facts.get("arguments")
    for name, value in arguments.items() if isinstance(arguments, Mapping) else ():
        yield name, json.dumps(value)


def _tags(record: Mapping[str, Json], facts: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    yield "ringfence.passed", json.dumps(bool(record.get("passed")))
    for name in ("commit", "python", "machine", "packages", "models", "prompts", "data", "policy_epoch"):
        if facts.get(name):
            value = facts[name]
            yield f"ringfence.{name}", value if isinstance(value, str) else json.dumps(value)
    gates = record.get("gates")
    failing = (
        [gate["figure"] for gate in gates if isinstance(gate, Mapping) and not gate["holds"]]
        if isinstance(gates, list)
        else []
    )
    yield "ringfence.failing_gates", json.dumps(failing)


def _seconds(facts: Mapping[str, Json]) -> float:
    seconds = facts.get("duration_s")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _allowed(name: str) -> str:
    """With what MLflow refuses in a name written as `_`; no path that leads elsewhere."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "_-. ") else "_" for char in name)
    return kept.strip(". ")[:250] or "_"
