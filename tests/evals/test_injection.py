"""The measures of `ringfence eval injection`: that a miss, a false alarm and an effect are counted as such."""

from pathlib import Path

import pytest

from evals.injection.attacks import ADDRESS, Attack, own_attacks
from evals.injection.detector import measure
from evals.injection.sets import HELD_OUT, Labelled, built_in, read_sets
from evals.runner.report import Report
from policies.rules import Level
from rag.domain import Answer, Timings
from tests.evals.judging import failing


def test_without_data_our_own_part_is_measured_and_every_missing_set_is_named(tmp_path: Path) -> None:
    sets = read_sets(tmp_path)
    assert {one.source for one in sets.texts} == {"own_traps"}
    assert len(sets.missing) == 11


def test_alarms_and_misses_are_counted_apart_and_only_alarms_have_a_gate() -> None:
    texts = [Labelled("s", "clean", HELD_OUT, text) for text in "ab"] + [Labelled("s", "attack", HELD_OUT, "c", "g")]
    figures = measure(texts, lambda found: ("x",) if list(found) == ["a"] else ())
    assert figures["false_alarms"] == {"s.held_out": {"texts": 2, "found": 1, "found_ratio": 0.5}}
    assert figures["recall"] == {"s.held_out": {"texts": 1, "found": 0, "found_ratio": 0.0}}
    wrong = failing(Report("injection", figures, ()))
    assert "false_alarms.s.held_out.found_ratio" in wrong
    assert not any(figure.startswith("recall") for figure in wrong)


def test_every_attack_has_a_document_of_its_own_and_no_canary_stands_in_one() -> None:
    attacks = own_attacks()
    assert len({attack.fact for attack in attacks}) == len(attacks) == len(built_in()["questions"])
    assert not [attack.name for attack in attacks if attack.canary in attack.text]


def shown(text: str) -> Answer:
    return Answer("ans_1", True, (), (), text, Level.PUBLIC, 1, "m", Timings(()))


@pytest.mark.parametrize("kind", ["canary", "link", "image", "html", "prompt", "tool"])
def test_the_effect_of_each_kind_of_attack_is_seen_and_a_plain_answer_has_none(kind: str) -> None:
    attack: Attack = next(one for one in own_attacks() if one.kind == kind)
    assert attack.succeeded(shown(attack.effects[0]))
    assert not attack.succeeded(shown(f"{attack.fact} `{ADDRESS}` [1]"))
