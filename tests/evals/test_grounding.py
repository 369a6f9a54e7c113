"""The measures and sets of `ringfence eval grounding`, on files of their own."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from evals.grounding.run import is_held_out, scores
from evals.grounding.sets import altered_pairs, scifact_pairs
from rag.errors import Misuse
from rag.query.cite import Draft, verify

ROWS = """id,claim,evidence_doc_id,evidence_label,evidence_sentences,cited_doc_ids
1,Salt raises pressure.,10,SUPPORT,[0],[10 11]
2,Salt lowers pressure.,10,CONTRADICT,[0],[10]
3,Tea cures colds.,,,[],[12 13]
"""
PARAGRAPH = (
    "The harbour of Hamburg was opened by merchants in 1189 near the old town. "
    "The bridge to Bremen was built by engineers from Leipzig with 40 boats."
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "scifact").mkdir()
    (tmp_path / "scifact" / "claims_train.csv").write_text(ROWS, encoding="utf-8")
    with gzip.open(tmp_path / "scifact" / "corpus.jsonl.gz", "wt", encoding="utf-8") as corpus:
        for name in (10, 12, 13):
            corpus.write(json.dumps({"_id": name, "title": "T", "text": "Salt raises pressure. Tea is warm."}) + "\n")
    (tmp_path / "xquad_en").mkdir()
    paragraph = {"context": PARAGRAPH, "qas": []}
    (tmp_path / "xquad_en" / "xquad.en.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    return tmp_path


def test_a_claim_is_paired_with_each_abstract_that_it_cites_and_that_is_there(data: Path) -> None:
    assert [(p.claim[:4], p.kind, p.supported) for p in scifact_pairs(data)] == [
        ("Salt", "support", True),
        ("Salt", "contradict", False),
        ("Tea ", "none", False),
        ("Tea ", "none", False),
    ]


def test_claims_that_share_an_abstract_are_one_group(data: Path) -> None:
    first, second, third, fourth = (pair.group for pair in scifact_pairs(data))
    assert first == second != third == fourth


def test_altered_sentences_do_not_pass_and_reworded_ones_do(data: Path) -> None:
    pairs = altered_pairs(data, seed=1)
    assert {p.kind for p in pairs} >= {"reworded", "negated", "number", "number of the text", "name of the text"}
    assert all(bool(verify(Draft(p.claim), [p.evidence], verbatim=False)) is p.supported for p in pairs)


def test_scores_are_those_of_counting_by_hand() -> None:
    found = scores(np.array([True, True, False, False]), np.array([True, False, False, False]))
    assert found == {
        "macro_f1": round((2 / 3 + 4 / 5) / 2, 3),
        "supported_precision": 1.0,
        "supported_recall": 0.5,
        "supported_pairs": 2,
        "not_supported_precision": 0.667,
        "not_supported_recall": 1.0,
        "not_supported_pairs": 2,
    }


def test_about_four_of_ten_groups_are_held_out_and_always_the_same() -> None:
    held_out = [is_held_out(str(group)) for group in range(1000)]
    assert 350 < sum(held_out) < 450
    assert held_out == [is_held_out(str(group)) for group in range(1000)]


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="--data"):
        scifact_pairs(tmp_path)
