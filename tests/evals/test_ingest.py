"""What the eval of ingestion counts, told by numbers that are known, and that its corpus is what it says."""

from pathlib import Path

from evals.ingest.command import Wanted, _name
from evals.ingest.compare import ACCURATE, FAST, NAMES, PLAIN, Compared, figures_of, gates_of
from evals.ingest.corpus import Corpus, Document, Question, make_corpus
from evals.ingest.way import Judged, Round

CORPUS = Corpus(
    (Document("a.txt", "Ann Lee wrote this.", ("Ann Lee",)), Document("b.txt", "Bo Chan did.", ("Bo Chan",))),
    (Question("Who wrote?", frozenset({"a.txt"})), Question("What did Bo Chan do?", frozenset({"b.txt"}), named=True)),
)
CLEAN = {"a.txt": "<PERSON_1> wrote this.", "b.txt": "<PERSON_2> did."}


def compared(found: list[list[str]], kept: dict[str, str], cpu_s: float) -> Compared:
    """Ours with these results, beside a straightforward way that finds and masks all and takes 6, 2 and 4 seconds."""

    def rounds(seconds: tuple[float, ...]) -> list[Round]:
        return [Round(1.0, one, 2, 4, {"mask": 0.5}) for one in seconds]

    plain = Judged([["a.txt"], ["b.txt"]], CLEAN, 100.0)
    ours = Judged(found, kept, 100.0)
    taken = {PLAIN: rounds((6.0, 2.0, 4.0)), ACCURATE: rounds((cpu_s,) * 3), FAST: rounds((cpu_s,) * 3)}
    return Compared(taken, {PLAIN: plain, ACCURATE: ours, FAST: ours})


def failing(figures: dict) -> set[str]:  # type: ignore[type-arg] # as the report has it
    return {gate.figure for gate in gates_of(figures) if not gate.holds}


def test_a_way_that_is_as_good_and_three_times_as_fast_keeps_every_gate() -> None:
    figures = figures_of(CORPUS, compared([["b.txt", "a.txt"], ["b.txt"]], CLEAN, 1.0))
    assert figures["fast_throughput_ratio"] == 4.0, "the median of the ratios, round by round"
    assert figures["fast_throughput_ratio_lowest"] == 2.0
    assert figures[FAST]["hit_at_5"] == figures[FAST]["personal_data_recall"] == 1.0  # type: ignore[index,call-overload]
    assert failing(figures) == set()


def test_worse_finding_masking_and_speed_each_fail_their_gate() -> None:
    assert failing(figures_of(CORPUS, compared([["a.txt"], ["a.txt"]], CLEAN, 1.0))) == {
        "accurate hit_at_5", "fast hit_at_5",
    }  # fmt: skip
    for kept in (CLEAN | {"b.txt": "Bo Chan did."}, {"a.txt": CLEAN["a.txt"]}):
        figures = figures_of(CORPUS, compared([["a.txt"], ["b.txt"]], kept, 1.0))
        assert failing(figures) == {"accurate personal_data_recall", "fast personal_data_recall"}
    slow = figures_of(CORPUS, compared([["a.txt"], ["b.txt"]], CLEAN, 2.0))
    assert failing(slow) == {"fast_throughput_ratio"}


def test_the_corpus_without_public_data_answers_its_questions(tmp_path: Path) -> None:
    corpus = make_corpus(None, 3, 1)
    corpus.write(tmp_path / "files")
    paths = {document.path for document in corpus.documents}
    assert all(question.right and question.right <= paths for question in corpus.questions)
    assert sum(question.named for question in corpus.questions) == 3
    assert all(value in one.text for one in corpus.documents for value in one.values)
    assert all((tmp_path / "files" / path).is_file() for path in paths)


def test_a_run_without_the_comparison_has_a_report_of_its_own() -> None:
    assert set(NAMES) == {PLAIN, ACCURATE, FAST}
    assert _name(Wanted()) == _name(Wanted(resync=5)) == "ingest"
    assert _name(Wanted(compare=False, resync=5, hostile=5)) == "ingest-resync-hostile"
