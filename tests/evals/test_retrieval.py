"""Retrieval: halves of questions that never mix, readers of a share, sets read as they are, and what orders anew."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.retrieval.filtered import SHARES, bucket_of, conditions_of
from evals.retrieval.run import Searched, report_of, retrieval
from evals.retrieval.sets import Dataset, half_of, only, read_set
from rag.errors import Misuse
from rag.index.lexical import LexicalEncoder
from rag.query.cross_encoder import open_scorer
from rag.settings import EmbeddingSettings, GeneratorSettings
from tests.contracts.test_support_scorer import make_folder
from tests.evals.judging import failing
from tests.models import embedder

WORDS = [
    "anchor", "barrel", "canal", "derrick", "engine", "funnel", "gantry", "harbour",
    "island", "jetty", "keel", "lantern", "mast", "net", "oar", "pier",
]  # fmt: skip


def made(count: int = 40) -> Dataset:
    """Documents about one thing each, and a question about every second one."""
    documents = {f"d{n}": f"The {WORDS[n % 16]} number {n} of dock {n} is kept clean." for n in range(count)}
    queries = {f"q{n}": f"Is the {WORDS[n % 16]} number {n} of dock {n} clean?" for n in range(0, count, 2)}
    return Dataset(documents, queries, {name: frozenset({f"d{name[1:]}"}) for name in queries}, "made")


class ByLength:
    """A scorer that likes short texts: that its order is taken shows in the figures."""

    async def score(self, claim: str, evidence: Any) -> Any:
        return np.array([1.0 / len(text) for text in evidence], dtype=np.float32)


async def measured(folder: Path, dataset: Dataset | None = None, **more: Any) -> tuple[Searched, dict[str, Any], Any]:
    searched = Searched(
        dataset or made(), embedder(EmbeddingSettings(threads=1)), LexicalEncoder(), candidates=20, **more
    )
    figures, gates = await retrieval(searched, folder, conditions_max=100, progress=lambda _: None)
    return searched, dict(figures), gates


def test_the_halves_are_the_same_in_every_run_and_share_no_question() -> None:
    dataset = made(200)
    tune, test = only(dataset, "tune"), only(dataset, "test")
    assert tune.queries.keys() | test.queries.keys() == dataset.queries.keys()
    assert not tune.queries.keys() & test.queries.keys()
    assert min(len(tune.queries), len(test.queries)) > 30
    assert half_of("scifact", "2") == half_of("scifact", "2")
    assert tune.judgements.keys() == tune.queries.keys()


@pytest.mark.parametrize("share", SHARES)
def test_a_reader_of_a_share_may_read_so_many_departments_and_no_more(share: int) -> None:
    plan = conditions_of("user:reader", share)
    assert all(grant.allow for grant in plan.grants)
    buckets = [bucket_of(f"document {n}") for n in range(4000)]
    readable = sum(int(one.rpartition("-")[2]) < share for one in buckets)
    assert abs(readable / 4000 - share / 100) < 0.03


async def test_filtered_search_finds_what_exact_search_over_the_readable_part_finds(tmp_path: Path) -> None:
    searched, figures, gates = await measured(tmp_path)
    assert set(figures["filtered"]) == {str(share) for share in SHARES}
    assert all(one["recall_at_10"] == 1.0 and one["leaks"] == 0 for one in figures["filtered"].values())
    assert figures["filtered"]["100"]["readable"] == 40 > figures["filtered"]["50"]["readable"] > 5
    assert set(figures["branches"]) == {"dense", "lexical", "hybrid", "reranked"}
    assert all(figures["stages"][stage]["ms_p50"] > 0 for stage in ("embed", "search", "fuse", "rerank"))
    found = report_of({"made": (figures, gates)}, searched.embedder, 20, "tune")
    assert failing(found) == set()
    figures["filtered"]["1"] |= {"recall_at_10": 0.9, "leaks": 1}
    wrong = failing(report_of({"made": (figures, gates)}, searched.embedder, 20, "test"))
    assert wrong == {"sets.made.filtered.1.recall_at_10", "sets.made.filtered.1.leaks"}


async def test_a_cross_encoder_orders_anew_where_one_is_configured(tmp_path: Path) -> None:
    _, figures, _ = await measured(tmp_path, scorer=ByLength())
    assert set(figures["branches"]) == {"dense", "lexical", "hybrid", "reranked", "cross_encoder"}
    assert figures["branches"]["cross_encoder"]["mrr"] < figures["branches"]["reranked"]["mrr"]


async def test_a_real_cross_encoder_takes_the_place_of_none(tmp_path: Path) -> None:
    """Of random weights: none comes with Ringfence, and what it finds says nothing."""
    digest = make_folder(tmp_path / "model")
    scorer = open_scorer(GeneratorSettings(support_model=str(tmp_path / "model"), support_sha256=digest))
    _, figures, _ = await measured(tmp_path / "shard", dataset=made(12), scorer=scorer)
    assert 0 <= figures["branches"]["cross_encoder"]["mrr"] <= 1
    assert figures["stages"]["cross_encoder"]["ms_p50"] > 0


def test_sets_are_read_with_their_judgements_and_a_missing_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "scifact"
    folder.mkdir()
    with gzip.open(folder / "corpus.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps({"_id": n, "title": f"t{n}", "text": "x"}) + "\n" for n in range(9)))
    (folder / "claims_train.csv").write_text("id,claim,cited_doc_ids\n1,A claim.,[3 4]\n2,No document.,[77]\n")
    dataset = read_set("scifact", tmp_path, limit=1)
    assert dataset.judgements == {"1": frozenset({"3", "4"})}
    assert list(dataset.documents)[:2] == ["3", "4"]
    with pytest.raises(Misuse, match="The set cacm is not in"):
        read_set("cacm", tmp_path)
