"""The figures of the evals on inputs whose result can be worked out by hand."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evals.abstention import Case, auc, balanced, curve
from evals.answers import Asked
from evals.answers import report_of as answers_report
from evals.cli import evaluate
from evals.retrieval.run import everything_public, score
from evals.runner.kept import write_latest
from evals.runner.report import Gate, Report
from tests.evals.judging import failing

CASES = [
    Case("s", True, 0.9, True),
    Case("s", True, 0.7, True),
    Case("s", True, 0.5, False),
    Case("s", False, 0.4, False),
    Case("s", False, 0.6, False),
]


def test_a_perfect_ranking_scores_one_and_a_missing_answer_counts_as_zero() -> None:
    judgements = {"q1": frozenset({"a"}), "q2": frozenset({"b"})}
    perfect = score(judgements, {"q1": {"a": 2.0, "x": 1.0}, "q2": {"b": 1.0}})
    half = score(judgements, {"q1": {"a": 2.0, "x": 1.0}, "q2": {"x": 1.0}})
    assert perfect == {"ndcg_at_10": 1.0, "recall_at_10": 1.0, "recall_at_100": 1.0, "mrr": 1.0}
    assert half == {"ndcg_at_10": 0.5, "recall_at_10": 0.5, "recall_at_100": 0.5, "mrr": 0.5}


def test_the_curve_counts_answers_at_each_threshold() -> None:
    row = next(row for row in curve(CASES) if row["threshold"] == 0.5)
    assert (row["answered_ratio"], row["right_ratio"], row["false_answer_ratio"]) == (1.0, 0.6667, 0.5)


def test_the_balanced_threshold_gives_most_right_answers_for_fewest_false_ones() -> None:
    assert balanced(CASES) == 0.7
    assert auc(CASES) == round(5 / 6, 4)


def test_search_on_the_public_set_still_takes_a_plan() -> None:
    assert everything_public().grants[0].allow


@pytest.mark.parametrize(("value", "holds"), [(0, True), (1, False)])
def test_a_gate_decides_whether_a_report_passes(tmp_path: Path, value: int, holds: bool) -> None:
    report = Report("leak", {"leaks": value}, (Gate("leaks", "at most", 0, value),))
    written = json.loads(write_latest(report.record(), tmp_path).read_text())
    assert (written["passed"], written["leaks"], written["gates"][0]["holds"]) == (holds, value, holds)
    assert written["manifest"]["python"]


def test_the_command_explains_its_evals_without_loading_models() -> None:
    result = CliRunner().invoke(evaluate, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in ("leak", "answers", "retrieval", "abstention"))


def test_answers_are_counted_by_how_they_came_out_and_time_by_stage() -> None:
    asked = [Asked("right", {"plan": 1.0, "check": 2.0, "search": 4.0})] * 9
    asked += [Asked("missed", {"plan": 1.0}), Asked("false_answer", {"plan": 1.0}), Asked("abstained", {"plan": 1.0})]
    figures = answers_report(asked, {}).figures
    assert (figures["right_ratio"], figures["false_answer_ratio"]) == (0.9, 0.5)
    assert (figures["authorization_ms_p50"], figures["total_ms_p50"]) == (3.0, 7.0)


def test_an_answer_eval_without_questions_does_not_pass() -> None:
    assert failing(answers_report([], {})) == {"right_ratio", "false_answer_ratio", "answerable", "unanswerable"}
