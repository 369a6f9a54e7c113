"""Where a capital tells of a name, and what finding makes of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rag.privacy import recognize
from rag.privacy.findings import Finding
from rag.privacy.propagate import propagate
from rag.privacy.recognize import RULES, Recognizer
from rag.privacy.sentences import is_inside, opens_sentence, stands_out


@pytest.mark.parametrize("text", ["They asked Stone about it.", "It was led by Stone, who left.", "for (Stone) only"])
def test_a_capital_inside_a_sentence_is_no_sentences(text: str) -> None:
    start = text.index("Stone")
    assert is_inside(text, start, start + 5)


@pytest.mark.parametrize(
    "text",
    ["Stone is grey.", "# Stone", "It ended. Stone came.", "in the Stone", "of Stone Age tools", "at Stone's Yard"],
)
def test_a_capital_that_is_due_tells_nothing(text: str) -> None:
    start = text.index("Stone")
    assert not is_inside(text, start, start + 5)


def test_a_sentence_opens_behind_a_full_stop_and_in_a_new_line_only() -> None:
    assert opens_sentence("Done. Mark it", 6) and opens_sentence("a\n- Mark it", 4)
    assert not opens_sentence("ask Mark", 4)


def test_a_known_name_in_a_heading_or_term_is_left() -> None:
    assert stands_out("It was asked of Stone.", 16, 21)
    assert not stands_out("tools of the Stone Age", 13, 18)
    assert not stands_out("STONE", 0, 5)


def people(recognizer: Recognizer, text: str) -> set[str]:
    found = propagate([text], recognizer.find([text]), recognizer.lexicon)[0]
    return {text[one.start : one.end] for one in found if one.entity == "PERSON"}


REAL = [
    ("One of the winners was Milton Friedman, an adviser to both.", "Milton Friedman"),
    ("In the summer it was Nixon who named him. Nixon's acts were few.", "Nixon"),
    ("The troops of Lt. Gen. Jubal Arden moved to the north.", "Jubal Arden"),
    ("It was signed in the presence of Governor Achterberg on Monday.", "Achterberg"),
    ("Daniel and Nettie Okonjo sued the clinic. The Okonjos lost.", "Okonjos"),
]


@pytest.mark.parametrize(("text", "name"), REAL)
def test_people_are_found_though_a_table_of_nouns_holds_their_names(
    recognizer: Recognizer, text: str, name: str
) -> None:
    assert name in people(recognizer, text)


@pytest.mark.parametrize(
    "text",
    [
        "The General Meeting follows the Major Incident Report of the Justice Department.",
        "The Depot keeps the Stone in a shed; a stone is grey. Stones are heavy.",
    ],
)
def test_offices_and_terms_with_capitals_are_left(recognizer: Recognizer, text: str) -> None:
    assert people(recognizer, text) == set()


@pytest.mark.parametrize(
    ("mention", "names"),
    [("a young manager", set()), ("A young manager", set()), ("a. young", {"a. young"}), ("A Young", {"A Young"})],
)
def test_initials_of_a_known_name_stand_in_capitals_or_with_a_full_stop(
    recognizer: Recognizer, mention: str, names: set[str]
) -> None:
    text = f"Alma Young came. So did {mention} later."
    known = [Finding(0, 10, "PERSON", 0.9)]
    spread = propagate([text], [known], recognizer.lexicon)[0]
    assert {text[one.start : one.end] for one in spread} - {"Alma Young"} == names


def test_two_sentences_are_not_one_name(recognizer: Recognizer) -> None:
    found = people(recognizer, "The report was written by Chidi Okafor. Yetunde Balogun read it.")
    assert {"Chidi Okafor", "Yetunde Balogun"} <= found


PHONES = [
    "My number is 612 34 56 78.", "Contact: 32 12 34 56", "ring 01.23.45.67.89 at noon", "so 06-12-34-56-78 is hers",
    "from 044 668 18 00 in Zurich",
]  # fmt: skip


@pytest.mark.parametrize("text", PHONES)
def test_national_numbers_are_found_in_their_usual_forms(recognizer: Recognizer, text: str) -> None:
    (found,) = [one for one in recognizer.find([text])[0] if one.entity == "PHONE_NUMBER"]
    assert sum(map(str.isdigit, text[found.start : found.end])) == sum(map(str.isdigit, text))


@pytest.mark.parametrize("text", ["due on 01.02.2024 at noon", "from 01-02-2024 10 days", "order 612345678 was sent"])
def test_dates_and_order_numbers_are_no_phones(recognizer: Recognizer, text: str) -> None:
    assert recognizer.find([text])[0] == []


def test_every_module_that_finding_is_made_of_counts_among_its_rules() -> None:
    """Else a change of it would leave documents masked by the old one."""
    room = Path(recognize.__file__).parent

    def imported(names: Sequence[str]) -> set[str]:
        found, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                lines = (room / f"{name}.py").read_text("utf-8").splitlines()
                waiting += [x.split()[1].rsplit(".", 1)[1] for x in lines if x.startswith("from rag.privacy.")]
        return found

    assert {f"{name}.py" for name in imported(["recognize", "propagate"]) - {"keys", "key_sources"}} <= set(RULES)
