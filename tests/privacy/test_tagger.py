"""The bundled tagger: verified, alone with its text, and bounded on hostile input; and what is made of its tags."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import Damaged
from rag.privacy.findings import Finding, NotAnalysed
from rag.privacy.propagate import propagate
from rag.privacy.recognize import Recognizer, load_recognizer
from rag.privacy.tagger import RAMPART, RampartRecognizer, Tagger, load_tagger
from rag.settings import PrivacySettings

ADDRESS = "12 Rue de la Paix, Apt. 4, 75002 Paris"


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return load_tagger()


def values(recognizer: Recognizer, text: str, leave: Sequence[str] | None = None) -> set[tuple[str, str]]:
    return {(f.entity, text[f.start : f.end]) for f in recognizer.find([text], leave=leave)[0]}


def test_changed_weights_are_refused_before_loading(tmp_path: Path) -> None:
    folder = copytree(RAMPART, tmp_path / "rampart")
    load_tagger(folder)
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(Damaged, match=r"model\.onnx"):
        load_tagger(folder)


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_names_are_found_in_any_case(recognizer: Recognizer, case: type[str]) -> None:
    text = case("My name is Ngozi Adeyemi and I would like to close my account.")
    assert ("PERSON", case("Ngozi Adeyemi")) in values(recognizer, text)


def test_an_address_is_one_value_and_a_place_by_itself_is_left(recognizer: Recognizer) -> None:
    assert ("LOCATION", ADDRESS) in values(recognizer, f"Please send it to {ADDRESS}.")
    trip = "The meeting takes place in Paris."
    assert values(recognizer, trip) == set()
    assert ("PLACE", "Paris") in values(recognizer, trip, leave=())


def test_amounts_are_no_house_numbers(recognizer: Recognizer) -> None:
    assert values(recognizer, "Item,Amount,Year\ncranes,1900000,2024\nfuel,74300,2025\n") == set()


def test_a_long_text_is_read_to_its_end(tagger: Tagger) -> None:
    text = "the committee discussed the schedule of the depot. " * 200 + "my name is priya raghunathan"
    assert any(text[tag.start : tag.end] == "priya raghunathan" for tag in tagger.tag(text))


def test_a_text_is_tagged_alike_whatever_is_tagged_before_it(tagger: Tagger) -> None:
    text = "call Ngozi Adeyemi on 0650 995 04 94"
    first = tagger.tag(text)
    tagger.tag("something else entirely, and much longer than that " * 20)
    assert tagger.tag(text) == first


def test_it_is_a_presidio_recognizer(tagger: Tagger) -> None:
    results = RampartRecognizer(tagger).analyze("I am Ngozi Adeyemi", ["PERSON"])
    assert [(r.entity_type, r.start, r.end) for r in results] == [("PERSON", 5, 18)]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_tags_point_into_the_text_and_do_not_overlap(tagger: Tagger, text: str) -> None:
    ends = [(tag.start, tag.end) for tag in tagger.tag(text.encode("utf-8", "replace").decode())]
    assert all(0 <= start < end <= len(text) for start, end in ends)
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))


HOSTILE = {
    "one line": "x" * 1_000_000,
    "right to left": "\u202eeel nna\u202c " * 2_000,
    "combining": "A\u0301\u0302\u0303" * 5_000,
    "digits": "1" * 200_000,
    "tokens": "<PERSON_0123456789ABCDEF> " * 1_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_costs_what_its_length_costs(recognizer: Recognizer, text: str) -> None:
    """The test's own time limit is the measure."""
    for finding in recognizer.find([text])[0]:
        assert 0 <= finding.start < finding.end <= len(text)


def test_a_hundred_thousand_values_with_one_beginning_are_propagated(recognizer: Recognizer) -> None:
    text = " ".join(f"MF-1{number:06d}" for number in range(100_000))
    findings = [Finding(start, start + 10, "EMPLOYEE_ID", 0.9) for start in range(0, len(text), 11)]
    assert len(propagate([text], [findings], recognizer.lexicon)[0]) == 100_000


def test_look_alike_letters_in_an_address_do_not_hide_it(recognizer: Recognizer) -> None:
    text = "mail \u0430nn.lee@ex\u0430mple.com now"
    assert ("EMAIL_ADDRESS", "\u0430nn.lee@ex\u0430mple.com") in values(recognizer, text)


def test_a_part_that_fails_gives_nothing_and_says_no_text(recognizer: Recognizer) -> None:
    class Broken:
        def find(self, text: str) -> Sequence[Finding]:
            raise ValueError(text)

    with pytest.raises(NotAnalysed) as refused:
        recognizer.find(["Ann Lee of Bonn"], Broken())
    assert "Ann" not in str(refused.value) and refused.value.__cause__ is None


def test_known_values_are_found_besides(recognizer: Recognizer) -> None:
    class Directory:
        def find(self, text: str) -> Sequence[Finding]:
            return [Finding(4, 9, "PERSON", 1.0)]

    assert [(f.start, f.end) for f in recognizer.find(["the depot is here"], Directory())[0]] == [(4, 9)]
    assert recognizer.find(["the depot is here"])[0] == []


def test_the_fast_profile_does_without_the_tagger_and_has_another_digest(recognizer: Recognizer) -> None:
    fast = load_recognizer(PrivacySettings(profile="fast"))
    assert fast.digest != recognizer.digest
    assert ("PERSON", "Ann Lee") in values(fast, "From: Ann Lee <ann.lee@x.com>")


NUMBERS = [
    ("codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("NIF 12345678Z", "12345678Z"),
    ("PESEL 44051401359", "44051401359"),
    ("customer no. K-204411", "K-204411"),
    ("US passport number 533401234", "533401234"),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers_of_people_are_found(recognizer: Recognizer, text: str, value: str) -> None:
    assert value in {found for _, found in values(recognizer, text)}


SECRETS = ["npm_" + "a1B2" * 9, "SG." + "a" * 22 + "." + "b" * 43, "dop_v1_" + "0f" * 32, "GOCSPX-" + "aB3d" * 7]


@pytest.mark.parametrize("secret", SECRETS)
def test_keys_of_providers_are_secrets(recognizer: Recognizer, secret: str) -> None:
    assert ("SECRET", secret) in values(recognizer, f"the key is {secret} for now")
