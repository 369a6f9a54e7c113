"""What the eval of ingestion counts, told by numbers that are known, and that its corpus is what it says."""

from pathlib import Path

from evals.ingest import million
from evals.ingest.command import Wanted, _name
from evals.ingest.compare import ACCURATE, FAST, NAMES, PLAIN, Compared, figures_of, gates_of
from evals.ingest.corpus import Corpus, Document, Question, make_corpus
from evals.ingest.unembedded import Unembedded
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

    plain = Judged([["a.txt"], ["b.txt"]], CLEAN, 100.0, 9)
    ours = Judged(found, kept, 100.0, 7)
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
    assert _name(Wanted(compare=False, chunks=5)) == "ingest-chunks"


def test_generated_chunks_are_written_published_and_found_by_who_may_read_them(tmp_path: Path) -> None:
    """As many documents as departments up to the one that a reader is of; the last one is short."""
    chunks = 8 * million.CHUNKS_PER_DOCUMENT - 3
    done = million.fill(chunks, tmp_path, 1)
    figures = million.figures_of(done)
    assert figures["chunks_points"] == figures["chunks_generated"] == chunks
    assert [gate.figure for gate in million.gates_of(done) if not gate.holds] == []
    assert all(len(asked.took_ms) == million.QUESTIONS for asked in done.readers.values())


def test_a_chunk_that_is_shown_to_somebody_else_or_not_found_fails_its_gate() -> None:
    stage = million.Stage(1.0, 1.0)
    wrong = {"all": million.Asked(0.9, 0, (1.0,)), "department": million.Asked(1.0, 1, (1.0,))}
    done = million.Filled(5, 4, stage, stage, stage, stage, 1.0, 1.0, wrong)
    failing = {gate.figure for gate in million.gates_of(done) if not gate.holds}
    assert failing == {"chunks_points", "chunks_all_found_ratio", "chunks_department_leaks"}


def test_made_up_vectors_stand_for_the_same_chunks() -> None:
    class Words:
        dim, tokens_max = 8, 256

        def count_tokens(self, text: str) -> int:
            return len(text.split())

    made_up = Unembedded(Words())  # type: ignore[arg-type] # what measures is all that is asked of it
    vectors = made_up.embed_passages(["one two", "three", "one two"])
    assert vectors.shape == (3, 8)
    assert (vectors[0] == vectors[2]).all()
    assert abs(float((vectors[1] ** 2).sum()) - 1) < 1e-5
    assert made_up.count_tokens("one two three") == 3
