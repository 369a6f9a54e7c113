"""The soak's arithmetic: what it takes for a record that is lost, one that is doubled, and memory that grows."""

from pathlib import Path

import pytest

from evals.runner.report import Report
from evals.soak.figures import Run, report_of, slope_mb, warmed
from evals.soak.ledger import Ledger, Recorded, doubled, lost
from evals.soak.process import ServedCompany, Usage
from evals.soak.traffic import MISTAKES
from tests.evals.judging import failing


def usage(requests: int, memory_mb: float = 1000.0, *, start: int = 0, sockets: int = 3) -> Usage:
    return Usage(start, requests, memory_mb, files=20, sockets=sockets, threads=10)


def filled(**changes: int) -> tuple[Ledger, Recorded]:
    """Two answers, two searches of ann, a passage and a refusal, all on record but for the changes."""
    seen, recorded = Ledger(), Recorded()
    seen.answers += ["ans_1", "ans_2"]
    seen.searches["user:ann"], seen.passages["user:ann"], seen.refused["key"] = 2, 1, 1
    for number in range(changes.get("answers", 2)):
        recorded.take("answer", {"answer": f"ans_{number + 1}"})
    for _ in range(changes.get("searches", 2)):
        recorded.take("search", {"person": "user:ann"})
    for _ in range(changes.get("passages", 1)):
        recorded.take("passage", {"person": "user:ann"})
    for _ in range(changes.get("refused", 1)):
        recorded.take("denied", {"key": "key"})
    return seen, recorded


def test_what_is_all_on_record_is_neither_lost_nor_doubled() -> None:
    assert (lost(*filled()), doubled(*filled())) == (0, 0)


@pytest.mark.parametrize("kind", ["answers", "searches", "passages", "refused"])
def test_each_kind_of_record_is_missed(kind: str) -> None:
    assert lost(*filled(**{kind: 0})) > 0


def test_a_record_of_a_call_that_the_kill_cut_is_no_fault_and_a_second_one_of_an_answer_is() -> None:
    seen, recorded = filled(searches=5, answers=3)
    assert (lost(seen, recorded), doubled(seen, recorded)) == (0, 0)
    recorded.take("answer", {"answer": "ans_1"})
    assert doubled(seen, recorded) == 1


def test_memory_is_measured_after_it_is_warm() -> None:
    flat = [usage(n, 500.0 if n < 4000 else 1000.0) for n in range(0, 10_000, 100)]
    assert len(warmed(flat)) == 60
    assert slope_mb(warmed(flat)) == pytest.approx(0.0, abs=1e-6)
    assert slope_mb([usage(n, 1000 + n / 100) for n in range(0, 1000, 10)]) == pytest.approx(10.0)


def report(growth_mb_per_1000: float = 0.0, **changes: object) -> Report:
    seen, recorded = filled()
    seen.answers += [f"ans_{n}" for n in range(3, 101)]
    for n in range(3, 101):
        recorded.take("answer", {"answer": f"ans_{n}"})
    seen.refused["key"] = recorded.refused["key"] = 100
    for _ in range(2000):
        seen.came("me", "200", expected=True, ms=1.0)
    samples = [usage(n, 1000 + n / 1000 * growth_mb_per_1000) for n in range(0, 4000, 40)]
    samples += [usage(n, 1000.0, start=1) for n in range(4000, 8000, 40)]
    end = usage(2000, start=1, sockets=int(str(changes.pop("sockets", 3))))
    run = Run(seen, tuple(samples), usage(0), end, seconds=1.0, requests=2000, workers=8, seed=1)
    return report_of(
        run, recorded, intact=bool(changes.get("intact", True)), crashes=int(str(changes.get("crashes", 0)))
    )


def test_a_run_in_which_nothing_is_wrong_passes() -> None:
    found = report()
    assert failing(found) == set()


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"growth_mb_per_1000": 200.0}, "growth_ratio of memory, start 1"),
        ({"sockets": 9}, "sockets_at_end"),
        ({"intact": False}, "log_intact"),
        ({"crashes": 1}, "crashes_logged"),
    ],
)
def test_each_thing_that_can_go_wrong_fails_its_gate(changes: dict[str, object], gate: str) -> None:
    assert failing(report(**changes)) == {gate}  # type: ignore[arg-type]


def test_every_mistake_is_one_with_a_status_of_its_own_making() -> None:
    assert {status for _, _, status in MISTAKES} == {400, 404, 413, 415}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux shows what a process holds there")
def test_a_service_that_was_not_started_holds_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        ServedCompany(tmp_path, tmp_path / "log").usage(0)
