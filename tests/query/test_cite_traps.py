"""Claims made of their support's own words that say something else, each beside one that says the same."""

import pytest

from rag.query.cite import Draft, verify
from tests.query.test_cite import passages

A, B = "<PERSON_0123456789ABCDEF>", "<PERSON_FEDCBA9876543210>"

TRAPS = {
    "another unit": (
        "The notice period is 90 days and begins 3 months after signing.",
        "The notice period is 90 days.",
        "The notice period is 90 months.",
    ),
    "a sign for a unit": (
        "The discount is 5% and shipping costs 7 euros.",
        "The discount is 5 percent.",
        "The discount is 5 euros.",
    ),
    "another currency": (
        "The allowance is \u20ac56 per day, the fine $9.",
        "The allowance is 56 euros per day.",
        "The allowance is 56 dollars per day.",
    ),
    "another multiplier": (
        "Revenue was 5 million euros and costs 3 billion euros.",
        "Revenue was 5 million euros.",
        "Revenue was 5 billion euros.",
    ),
    "two dates mixed": (
        "The lease runs from 1 March 2024 to 3 June 2025.",
        "The lease runs from 1 March 2024.",
        "The lease runs from 3 March 2024.",
    ),
    "a date written otherwise": (
        "The lease of the warehouse begins on 2024-03-01.",
        "The lease of the warehouse begins on 1 March 2024.",
        "The lease of the warehouse begins on 3 January 2024.",
    ),
    "another month": (
        "The lease of the warehouse begins on 3 June.",
        "The lease of the warehouse begins on June 3.",
        "The lease of the warehouse begins on 3 May.",
    ),
    "a separator of thousands": (
        "The deposit for the machine is 1,500 euros.",
        "The deposit for the machine is 1500 euros.",
        "The deposit for the machine is 15 00 euros.",
    ),
    "a narrow space in a number": (
        "The deposit for the machine is 1\u00a0500 euros.",
        "The deposit for the machine is 1,500 euros.",
        "The deposit for the machine is 1.5 euros.",
    ),
    "the opposite bound": (
        "Employees give at least 30 days notice in writing.",
        "Employees give at least 30 days notice.",
        "Employees give at most 30 days notice.",
    ),
    "a bound left out": (
        "Staff may carry over up to 5 days of leave.",
        "Staff may carry over up to 5 days of leave.",
        "Staff may carry over 5 days of leave.",
    ),
    "no": (
        "Refunds are given for unused tickets within 14 days.",
        "Refunds for unused tickets are given within 14 days.",
        "No refunds are given for unused tickets within 14 days.",
    ),
    "never": (
        "Keys are never handed to contractors.",
        "Keys are not handed to contractors.",
        "Keys are handed to contractors.",
    ),
    "not, contracted": (
        "Visitors don't need a badge in the lobby.",
        "Visitors do not need a badge in the lobby.",
        "Visitors need a badge in the lobby.",
    ),
    "what is denied": (
        "Visitors must not park but may stop in the yard.",
        "In the yard visitors may stop but must not park.",
        "Visitors must not stop but may park in the yard.",
    ),
    "an opposite": (
        "The fee for all Bonn suppliers increases by 5 percent in July.",
        "The fee for Bonn suppliers increases by 5 percent in July.",
        "The fee for Bonn suppliers decreases by 5 percent in July.",
    ),
    "an opposite by prefix": (
        "Overtime of the night shift is paid in January.",
        "Night shift overtime is paid in January.",
        "Overtime of the night shift is unpaid in January.",
    ),
    "tokens swapped": (
        f"{A} reports to {B} since March.",
        f"Since March {A} reports to {B}.",
        f"{B} reports to {A} since March.",
    ),
    "tokens in the passive": (
        f"{A} hired {B} for the warehouse.",
        f"{B} was hired by {A} for the warehouse.",
        f"{A} was hired by {B} for the warehouse.",
    ),
    "names swapped": (
        "The contract obliges Acme to deliver parts to Globex every week.",
        "The contract obliges Acme to deliver parts to Globex.",
        "The contract obliges Globex to deliver parts to Acme.",
    ),
    "names joined by and": (
        f"{A} and {B} sign for the branch.",
        f"{B} and {A} sign for the branch.",
        f"{B} and <PERSON_AAAAAAAAAAAAAAAA> sign for the branch.",
    ),
    "who it is about": (
        "Berlin opens the night counter for suppliers at nine.",
        "Berlin opens the counter for suppliers at nine.",
        "Hamburg opens the night counter for suppliers at nine.",
    ),
    "a name of the next sentence": (
        "The Bonn branch sells pumps to farmers. The branch of Lisbon repairs them.",
        "The Bonn branch sells pumps and the branch of Lisbon repairs them.",
        "The Lisbon branch sells pumps to farmers.",
    ),
    "a person of the sentence before": (
        f"{A} joined the firm in May. She leads the sales team in Bonn. {B} drives.",
        f"{A} leads the sales team in Bonn.",
        f"{B} leads the sales team in Bonn.",
    ),
    "numbers swapped": (
        "Meals cost 9 euros and hotels cost 135 euros.",
        "Hotels cost 135 euros and meals cost 9 euros.",
        "Meals cost 135 euros and hotels cost 9 euros.",
    ),
    "from and to": (
        "The rate rose from 5 to 7 percent.",
        "From 5 the rate rose to 7 percent.",
        "The rate rose from 7 to 5 percent.",
    ),
    "the sign of a number": (
        "The store is kept at -18 degrees all year.",
        "The store is kept at -18 degrees.",
        "The store is kept at 18 degrees.",
    ),
    "a numbered form": (
        "Returns use form No. 5 at the desk.",
        "Returns use form 5 at the desk.",
        "Returns use form No. 6 at the desk.",
    ),
}


@pytest.mark.parametrize(("source", "same", "other"), TRAPS.values(), ids=TRAPS.keys())
def test_what_says_the_same_is_supported_and_what_says_something_else_is_not(
    source: str, same: str, other: str
) -> None:
    evidence = passages("Fish is served on Fridays.", source)
    assert [one.source.chunk.document for one in verify(Draft(same), evidence, verbatim=False)] == ["doc1"]
    assert verify(Draft(other), evidence, verbatim=False) == ()
