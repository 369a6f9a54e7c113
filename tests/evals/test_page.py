"""The page of reports: whole by itself, whatever stands in the reports; and kept runs in MLflow."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from evals.runner.kept import keep_run, kept_runs
from evals.runner.mlflow_export import export
from evals.runner.plots import Form, history_of, plots_of
from evals.runner.report import REPORTS, Gate, Report
from evals.runner.values import Json
from rag.errors import Misuse

CURVE: list[Json] = [{"threshold": at / 10, "right_ratio": 1 - at / 10} for at in range(6)]
FIGURES: dict[str, Json] = {
    "recall_by_kind": {"<b>PERSON</b>": 0.9, "PHONE": 1.0, "PLACE": 0.4},
    "plan_ms_p50": 1.0,
    "plan_ms_p95": 2.0,
    "search_ms_p50": 3.0,
    "search_ms_p95": 4.0,
    "curve": CURVE,
}


def report(value: float, at: str) -> dict[str, Json]:
    gate = Gate("recall_by_kind.PHONE", "at least", 0.9, value)
    record = Report("privacy", {**FIGURES, "recall_by_kind": {"PHONE": value}}, (gate,)).record()
    manifest: Any = record["manifest"]
    return record | {"manifest": manifest | {"at": at}}


def test_shares_stages_and_curves_are_plotted_and_texts_are_not() -> None:
    plots = plots_of({**FIGURES, "examples": ["a text"], "few": [1, 2]})
    assert [(plot.title, plot.form) for plot in plots] == [
        ("Milliseconds by stage", Form.BARS),
        ("recall_by_kind", Form.BARS),
        ("curve by threshold", Form.LINES),
    ]
    assert plots[0].bars["median"] == [1.0, 3.0]


def test_what_a_gate_names_is_plotted_over_runs_where_it_differed() -> None:
    runs = [report(0.9, "2026-11-01T10:00:00+00:00"), report(1.0, "2026-11-02T10:00:00+00:00")]
    (plot,) = history_of(runs)
    assert plot.lines == {"recall_by_kind.PHONE": [(0.0, 0.9), (1.0, 1.0)]}
    assert history_of([runs[0], runs[0]]) == []


def test_the_page_of_all_kept_reports_holds_no_script_and_loads_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pygal", reason="pygal is not installed: pip install '.[evals]'")
    from evals.runner.page import write_page  # noqa: PLC0415 - needs what may not be installed

    for value, day in ((0.9, 1), (1.0, 2)):
        keep_run(report(value, f"2026-11-0{day}T10:00:00+00:00"), tmp_path / "runs")
    marked = Report("leak", FIGURES, (Gate("<i>x</i>", "at most", 0, None, "no <script> here"),)).record()
    newest = report(0.95, "2026-11-03T10:00:00+00:00")
    write_page([newest, marked], tmp_path / "runs", tmp_path / "page" / "index.html")
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<svg") == 6, "three plots of each report but one share, and one over runs"
    assert "<script" not in page and "<b>PERSON" not in page and "<i>x" not in page
    loading = page.replace("http://www.w3.org/", "")
    assert not any(sign in loading for sign in ("http:", "https:", "src=", "@import", "url("))
    assert page.index('id="leak"') < page.index('id="privacy"'), "in the order of the registry"
    write_page([newest, marked], tmp_path / "runs", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page


def test_every_report_that_the_readme_quotes_is_one() -> None:
    reports = kept_runs(REPORTS)
    assert len(reports) == len(list(REPORTS.glob("*.json")))
    for one in reports:
        plots_of(one)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own models
def test_runs_stand_once_each_in_mlflow(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="MLflow is not installed: pip install '.[mlflow]'")
    from mlflow import MlflowClient  # noqa: PLC0415 - needs what may not be installed

    runs = [
        keep_run(report(value, f"2026-11-0{day}T10:00:00+00:00"), tmp_path / "runs")
        for value, day in ((0.8, 1), (1.0, 2))
    ]
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert (export(runs[:1], uri), export(runs, uri), export(runs, uri)) == (1, 1, 0)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("ringfence/privacy")
    assert experiment is not None
    stored = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    assert [run.data.metrics["recall_by_kind.PHONE"] for run in stored] == [0.8, 1.0]
    assert [run.info.status for run in stored] == ["FAILED", "FINISHED"]
    assert json.loads(stored[0].data.tags["ringfence.failing_gates"]) == ["recall_by_kind.PHONE"]


def test_without_mlflow_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(Misuse, match="pip install"):
        export([keep_run(report(1.0, "2026-11-01T10:00:00+00:00"), tmp_path)], f"sqlite:///{tmp_path / 'x.db'}")
