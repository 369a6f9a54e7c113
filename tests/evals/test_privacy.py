"""The measures of finding count what they say they count."""

from pathlib import Path

import pytest

from evals.privacy.datasets import DIRECT, Gold, Sample, read_generated, read_wikigold, recased
from evals.privacy.directory import directory_of, most_of
from evals.privacy.scoring import SpanScore, leaks, merged
from rag.errors import Misuse

TEXT = "Ann Lee lives in Bonn."
SAMPLE = Sample(TEXT, (Gold(0, 7, "PERSON"), Gold(17, 21, "LOCATION")))
TOKENS = [("Ann", 0), ("Lee", 4), ("lives", 8), ("in", 14), ("Bonn", 17), (".", 21)]


def test_one_letter_left_over_is_a_leak_and_a_space_is_none() -> None:
    assert leaks([SAMPLE], [[(0, 3), (4, 7)]], DIRECT).recall("PERSON") == 1
    assert leaks([SAMPLE], [[(0, 3), (5, 7)]], DIRECT).recall("PERSON") == 0


def test_precision_counts_letters_masked_in_vain() -> None:
    result = leaks([SAMPLE], [[(0, 13)]], DIRECT)
    assert result.precision == pytest.approx(6 / 11)
    assert leaks([SAMPLE], [[]], DIRECT).precision == 1


def test_what_is_no_direct_identifier_is_not_asked_for_and_not_held_against_it() -> None:
    sample = Sample("Acme Ltd", (Gold(0, 8, "ORGANIZATION"),))
    result = leaks([sample], [[(0, 8)]], DIRECT)
    assert (result.marked.total(), result.precision) == (0, 1)


def test_span_score_asks_for_seven_tenths_of_a_span() -> None:
    def of(*found: tuple[int, int]) -> tuple[int, int, int]:
        score = SpanScore()
        score.add(TOKENS, [(0, 7)], found)
        return score.marked, score.predicted, score.right

    assert of((0, 7)) == (1, 1, 1)
    assert of((0, 3)) == (1, 1, 0)
    assert of((8, 13)) == (1, 1, 0)
    assert of() == (1, 0, 0)


def test_spans_parted_by_a_skip_word_are_one() -> None:
    score = SpanScore()
    score.add([("Ann", 0), ("and", 4), ("Bo", 8)], [(0, 10)], [(0, 3), (8, 10)])
    assert (score.predicted, score.right) == (1, 1)


def test_merged_spans_do_not_overlap() -> None:
    assert merged([(4, 6), (0, 2), (2, 3), (5, 9)]) == ((0, 3), (4, 9))


def test_wikigold_is_read_by_article_with_positions_that_hold(tmp_path: Path) -> None:
    folder = tmp_path / "wikigold"
    folder.mkdir()
    lines = "Ann I-PER\nLee I-PER\nsang O\n, O\nin O\nBonn I-LOC\n. O\n\n-DOCSTART- O\n\nOslo I-LOC\n"
    (folder / "wikigold.conll.txt").write_text(lines)
    first, second = read_wikigold(tmp_path)
    assert first.text == "Ann Lee sang, in Bonn."
    assert [(first.text[g.start : g.end], g.kind) for g in first.gold] == [("Ann Lee", "PERSON"), ("Bonn", "LOCATION")]
    assert [(second.text[g.start : g.end], g.kind) for g in second.gold] == [("Oslo", "LOCATION")]


def test_a_missing_set_says_which_option_names_it(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="--data"):
        read_generated(tmp_path)


def test_case_changes_no_position() -> None:
    sample = Sample("Straße ß", (Gold(0, 6, "LOCATION"),))
    assert [len(one.text) for one in (*recased([sample], "upper"), *recased([sample], "lower"))] == [8, 8]


def test_the_directory_finds_its_names_in_any_case_and_nothing_else() -> None:
    found = directory_of(["Ann Lee", "Bo", "?"], frozenset().__contains__).find("ANN LEE, Bo, bo and Ann Chan")
    assert [(one.start, one.end) for one in found] == [(0, 7), (9, 11)]


def test_a_directory_holds_nine_of_ten_names() -> None:
    assert most_of([str(number) for number in range(20)]) == [str(number) for number in range(20) if number % 10 != 9]
