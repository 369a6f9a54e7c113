"""One runner for all evals: gates, kept runs, baselines, manifests, exit codes, and the run of all of them."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import evals
from evals.cli import command_of, evaluate
from evals.runner.baseline import compare
from evals.runner.batch import Outcome, Place, chosen, missing_for, run_all
from evals.runner.entry import Company, Measure, Sets, Talk, Usual, chosen_sets, entry
from evals.runner.figures import figures_at
from evals.runner.gates import Threshold, gates_of, judged, read_gates, thresholds_for
from evals.runner.kept import keep_run, kept_runs, read_record
from evals.runner.provenance import note, standing
from evals.runner.registry import EVALS, named
from evals.runner.report import Gate, Report
from evals.runner.run import Keep, carry_out
from evals.runner.values import Json
from rag.errors import Misuse
from rag.settings import Settings

FIGURES: Mapping[str, Json] = {"right_ratio": 0.9, "by": {"1.5": {"ms": 4}, "2": {"ms": 6}}, "same": 4, "on": True}


def failing(arguments: Mapping[str, Json] | None = None, **thresholds: dict[str, Any]) -> dict[str, str]:
    """Figures of gates that do not hold, and why."""
    asked = {name.replace("__", "."): Threshold.model_validate(said) for name, said in thresholds.items()}
    report = Report("answers", FIGURES, (), arguments or {})
    return {gate.figure: gate.why for gate in gates_of(report, asked) if not gate.holds}


# --- gates ------------------------------------------------------------------------------------------------------


def test_a_figure_on_the_right_side_of_its_threshold_holds_and_on_the_wrong_one_fails() -> None:
    assert failing(right_ratio={"at_least": 0.9, "at_most": 0.9}, on={"at_least": 1}) == {}
    assert failing(right_ratio={"at_least": 0.91}) == {"right_ratio": ""}
    assert failing(by__2__ms={"at_most": 5}) == {"by.2.ms": ""}


def test_a_key_with_dots_and_a_star_name_what_they_mean() -> None:
    assert failing(**{"by__1__5__ms": {"at_most": 4}}) == {}
    assert failing(**{"by__*__ms": {"at_most": 5}}) == {"by.2.ms": ""}
    assert dict(figures_at(FIGURES, "by.*.ms")) == {"by.1.5.ms": 4, "by.2.ms": 6}


@pytest.mark.parametrize("name", ["right_ration", "by__3__ms", "by__*__s", "by"])
def test_a_gate_whose_figure_is_not_in_the_report_fails(name: str) -> None:
    assert list(failing(**{name: {"at_least": 0}})) == [name.replace("__", ".")]


def test_a_figure_is_held_against_another_one() -> None:
    assert failing(**{"same": {"at_least_figure": "by.1.5.ms", "at_most_figure": "by.2.ms"}}) == {}
    assert list(failing(**{"same": {"at_least_figure": "by.2.ms"}})) == ["same"]
    assert "no figure" in failing(**{"same": {"at_least_figure": "by.3.ms"}})["same"]


def test_a_gate_is_asked_of_the_runs_that_it_is_for() -> None:
    wanted = {"at_least": 1, "when": ["rules", "speed"]}
    assert failing({"rules": [10], "speed": True}, right_ratio=wanted) == {"right_ratio": ""}
    assert failing({"rules": [], "speed": True}, right_ratio=wanted) == {}
    assert "no argument speed" in failing({"rules": [10]}, right_ratio=wanted)["right_ratio"]
    assert failing(right_ratio={"at_least": 1, "if_at_least": {"same": 5}}) == {}
    assert "no figure more" in failing(right_ratio={"at_least": 1, "if_at_least": {"more": 5}})["right_ratio"]


def test_every_eval_is_described_where_people_look_for_it() -> None:
    readme = (Path(evals.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert [one.name for one in EVALS if f"| `{one.name}` |" not in readme] == []
    assert all(one.help for one in EVALS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("answers: {right_ratio: {at_leats: 1}}", "at_leats"),
        ("answers: {right_ratio: {when: rules}}", "needs at_most"),
        ("answers: [", "cannot be read"),
    ],
)
def test_a_gate_file_that_says_something_else_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "gates.yaml").write_text(text)
    with pytest.raises(Misuse, match=told):
        read_gates(tmp_path / "gates.yaml")


def test_every_gate_that_comes_with_the_evals_is_of_one_of_them() -> None:
    assert [name for name in read_gates() if named(name) is None] == []
    assert thresholds_for("access-mutants", "access", read_gates()) == read_gates()["access"]
    assert "leaks" not in thresholds_for("leak-plant", "leak", read_gates())


# --- baselines --------------------------------------------------------------------------------------------------


def test_a_figure_that_is_worse_beyond_its_margin_is_marked_and_one_without_a_margin_is_only_told() -> None:
    thresholds = {
        "right_ratio": Threshold(at_least=0.5, margin=0.02),
        "by.*.ms": Threshold(margin=0.5, better="lower"),
    }
    old = Report("answers", {**FIGURES, "right_ratio": 0.95, "by": {"1.5": {"ms": 3}, "2": {"ms": 3}}, "gone": 1}, ())
    compared = compare(Report("answers", {**FIGURES, "same": 1}, ()), old.record(), thresholds)
    assert {one.figure: one.worse for one in compared.differences} == {
        "right_ratio": True, "by.1.5.ms": False, "by.2.ms": True, "same": None, "on": None,
    }  # fmt: skip
    assert next(one for one in compared.differences if one.figure == "same").relative == -0.75
    assert (compared.only_old, compared.only_new) == (("gone",), ())


# --- a run ------------------------------------------------------------------------------------------------------


@entry("answers")
def small(data_dir: Company = None, ratio: float = 0.9, seed: int = 3, sets: Sets = None) -> Measure:
    """An eval that takes no time."""
    chosen_sets(sets, ("a", "b"))

    async def measure(talk: Talk) -> Report:
        talk("measuring ...")
        note("policy_epoch", 5)
        figures: dict[str, Json] = {"right_ratio": ratio, "false_answer_ratio": 0.0, "total_ms_p50": 10.0}
        return Report("answers", figures | {"answerable": 20, "unanswerable": 20}, (), {"seed": seed})

    return measure


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(command_of(small))
    kept = ("--reports", str(folder / "reports"), "--runs", str(folder / "runs"))
    result = CliRunner().invoke(app, [*arguments, *kept])
    if isinstance(result.exception, Misuse):
        return 2, result.exception.message
    return result.exit_code, result.output


def test_a_run_is_written_kept_and_printed_with_its_manifest(tmp_path: Path) -> None:
    code, printed = run(tmp_path, "--json", "--ratio", "0.95")
    latest = read_record(tmp_path / "reports" / "answers.json")
    assert code == 0
    assert json.loads(printed[printed.index("{") : printed.rindex("}") + 1]) == latest
    assert kept_runs(tmp_path / "runs") == [latest]
    facts: Any = latest["manifest"]
    assert (facts["seed"], facts["policy_epoch"]) == (3, 5)
    assert facts["arguments"] == {"ratio": 0.95, "seed": 3, "sets": None, "against": "fresh"}
    assert len(facts["models"]["embedder"]["digest"]) == 64


def test_a_failing_gate_ends_with_one_and_the_report_is_there_all_the_same(tmp_path: Path) -> None:
    code, printed = run(tmp_path, "--ratio", "0.5")
    assert code == 1
    assert "FAILS  right_ratio 0.5 (at least 0.85)" in printed
    assert read_record(tmp_path / "reports" / "answers.json")["passed"] is False


def test_gates_of_ones_own_replace_those_that_come_with_the_eval(tmp_path: Path) -> None:
    own = tmp_path / "gates.yaml"
    own.write_text("answers: {right_ratio: {at_least: 0.4}}")
    assert run(tmp_path, "--ratio", "0.5", "--gates", str(own))[0] == 0
    own.write_text("answers-a: {right_ratio: {at_least: 0.4}}")
    code, printed = run(tmp_path, "--gates", str(own))
    assert (code, "has no gates for this report" in " ".join(printed.split())) == (1, True)
    own.write_text("leak: {leaks: {at_most: 0}}")
    code, told = run(tmp_path, "--gates", str(own))
    assert (code, "no gates for answers" in told) == (2, True)


def test_a_run_is_compared_with_an_earlier_one_of_its_eval_and_with_no_other(tmp_path: Path) -> None:
    run(tmp_path, "--ratio", "0.95")
    (earlier,) = (tmp_path / "runs").iterdir()
    code, printed = run(tmp_path, "--ratio", "0.9", "--baseline", str(earlier))
    assert (code, "WORSE" in printed) == (0, True)
    compared: Any = read_record(tmp_path / "reports" / "answers.json")["baseline"]
    assert compared["worse"] == ["right_ratio"]
    assert compared["figures"]["right_ratio"]["relative"] == pytest.approx(-0.0526)

    other = tmp_path / "leak.json"
    other.write_text(json.dumps(Report("leak", {}, ()).record()))
    code, told = run(tmp_path, "--baseline", str(other))
    assert (code, told) == (2, "The baseline is a report of leak, not of answers.")


def test_a_run_of_some_sets_leaves_the_report_of_all_alone_and_an_unknown_set_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "--set", "b")[0] == 0
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["answers-b.json"]
    assert run(tmp_path, "--set", "c") == (2, "There is no set 'c'; there are a, b.")


def test_a_data_folder_is_named_in_one_way(tmp_path: Path) -> None:
    assert run(tmp_path, "--against", "live")[0] == 0
    assert run(tmp_path, "--against", "live", "--data-dir", str(tmp_path))[0] == 2


def test_a_wrong_gate_file_or_baseline_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    async def never(talk: Talk) -> Report:
        raise AssertionError

    for keep in (
        Keep(tmp_path, tmp_path, gates=tmp_path / "none.yaml"),
        Keep(tmp_path, tmp_path, baseline=tmp_path / "none.json"),
    ):
        with pytest.raises(Misuse):
            carry_out(small, never, None, {}, keep)


def test_no_run_is_written_over_another(tmp_path: Path) -> None:
    record = Report("answers", {}, ()).record()
    paths = {keep_run(record, tmp_path) for _ in range(3)}
    assert len(paths) == 3
    assert len(kept_runs(tmp_path)) == 3


def test_the_manifest_names_each_file_of_the_sets_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.json").write_text("{}")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.json").write_text("{}")
    told = standing(Settings(data_dir=tmp_path), tmp_path, ("a", "missing"))["data"]
    assert told == {"a/one.json": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}


def test_a_gate_without_a_value_stands_as_such_in_the_report() -> None:
    report = judged(Report("answers", {}, (Gate("x", "at most", 1, 0),)), {"y": Threshold(at_most=0)})
    assert not report.passed
    assert report.record()["gates"] == [
        {"figure": "x", "must_be": "at most 1", "value": 0, "holds": True},
        {"figure": "y", "must_be": "at most 0", "value": None, "holds": False, "why": "The report has no such figure."},
    ]


# --- all of them ------------------------------------------------------------------------------------------------


def test_names_choose_from_the_registry_in_its_order() -> None:
    assert [one.name for one in chosen(["answers", "leak"], [], EVALS)] == ["leak", "answers"]
    assert "leak" not in {one.name for one in chosen([], ["leak"], EVALS)}
    assert len(chosen([], [], EVALS)) == len(EVALS) == len({one.name for one in EVALS})
    with pytest.raises(Misuse, match="no eval 'leek'"):
        chosen(["leek"], [], EVALS)


def test_what_an_eval_needs_is_looked_for(tmp_path: Path) -> None:
    needy = replace(small, sets=("scifact",))
    assert "scifact" in missing_for(needy, None)
    (tmp_path / "scifact").mkdir()
    assert missing_for(needy, tmp_path) == ""
    assert "pip install x" in missing_for(replace(small, packages=(("no_such_module", "pip install x"),)), None)


PROGRAM = """
import json, signal, sys
said = sys.argv[3]
if said == "hang":
    signal.pause()
if said == "break":
    sys.exit("something is wrong")
gate = {"figure": "leaks", "holds": said == "hold"}
print(json.dumps({"eval": "leak", "gates": [gate]}))
sys.exit(said != "hold")
"""
"""Prints and ends as an eval does that holds, fails or breaks off, or never ends."""


def outcomes(tmp_path: Path, minutes: float, *usual: Usual) -> list[tuple[Outcome, str]]:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    place = Place(None, tmp_path, tmp_path, (sys.executable, "-I", str(script)))
    return [(one.outcome, one.told) for one in run_all([replace(small, usual=usual)], place, minutes, lambda _: None)]


def test_a_run_that_fails_or_breaks_off_does_not_stop_the_next_one_and_what_does_not_fit_is_skipped(
    tmp_path: Path,
) -> None:
    runs = [Usual((said,), 1) for said in ("fail", "break", "hold")]
    assert outcomes(tmp_path, 10, *runs, Usual(("hold",), 11)) == [
        (Outcome.GATE_FAILS, "leaks"),
        (Outcome.BROKE, "exit code 1, no report"),
        (Outcome.HOLDS, ""),
        (Outcome.SKIPPED, "needs 11 minutes, 10 left"),
    ]


def test_a_run_that_does_not_end_is_ended_when_the_time_is_up(tmp_path: Path) -> None:
    assert outcomes(tmp_path, 0.01, Usual(("hang",), 0.0)) == [(Outcome.TOO_LONG, "killed when the time was up")]


def test_nothing_that_was_measured_is_nothing_that_holds(tmp_path: Path) -> None:
    arguments = ["all", "--minutes", "0", "--only", "access", "--json", "--runs", str(tmp_path)]
    result = CliRunner().invoke(evaluate, arguments)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["runs"][0]["outcome"] == "skipped"
