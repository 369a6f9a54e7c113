"""The eval of tuning, really training: it passes, and fails where questions are taught wrong passages."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.company import PROGRAM, prepare
from evals.runner.report import Report
from evals.tuning import Recipe, tuning
from rag.embedding.training import NEEDED
from tests.copies import copy_folder
from tests.evals.judging import judge
from tests.tiny_embedder import write_tiny_embedder

INSTALLED = all(importlib.util.find_spec(name) for name in NEEDED)
pytestmark = [
    pytest.mark.skipif(not INSTALLED, reason="make test-tune brings what training needs"),
    pytest.mark.timeout(900),
]
RECIPE = Recipe(pairs=400, epochs=3, rate=1e-3)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The sample company, embedded by a model that trains in seconds."""
    root = tmp_path_factory.mktemp("company")
    digest = write_tiny_embedder(root / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RINGFENCE_EMBEDDING__MODEL", str(root / "tiny"))
        patch.setenv("RINGFENCE_EMBEDDING__SHA256", digest)
        prepare(root / "data", print)
        yield root / "data"


def tuned(company: Path, folder: Path, program: tuple[str, ...]) -> Report:
    copy_folder(company, folder)
    return judge(tuning(folder, RECIPE, print, program))


def test_a_model_that_finds_more_is_switched_to_and_back(company: Path, tmp_path: Path) -> None:
    report = tuned(company, tmp_path / "data", PROGRAM)
    assert [gate.figure for gate in report.gates if not gate.holds] == []
    assert (report.figures["promoted"], report.figures["rolled_back"]) == (True, True)


def test_a_model_that_was_taught_wrong_passages_fails(company: Path, tmp_path: Path) -> None:
    program = (sys.executable, str(Path(__file__).with_name("mistaught.py")))
    report = tuned(company, tmp_path / "data", program)
    assert "vectors.after.ndcg10_ratio" in [gate.figure for gate in report.gates if not gate.holds]
