"""What is said to speak against a claim is what does: each changes one thing of a sentence that is supported."""

import pytest

from rag.query.cite import Draft, verify, why_not
from rag.query.objections import Objection
from tests.query.test_cite import passages

TEXT = (
    "The retention period for invoices is 10 years. Suppliers in Bonn must give notice within 90 days. "
    "Meyer reports to Schulz. Visitors must not park in the yard but may stop at the gate. "
    "Sales were increased by the new catalogue. The fee is at most 40 euros for a permit."
)


@pytest.mark.parametrize(
    ("claim", "objection"),
    [
        ("Dinosaurs were warm-blooded animals.", Objection.WORDS),
        ("The retention period for invoices is 12 years.", Objection.NUMBER),
        ("The retention period for invoices of <PERSON_0123456789ABCDEF> is 10 years.", Objection.TOKEN),
        ("The suppliers in Hamburg must give notice within 90 days.", Objection.NAME),
        ("The retention period for invoices is not 10 years.", Objection.NEGATION),
        ("The retention period only for invoices is 10 years.", Objection.LIMIT),
        ("Schulz reports to Meyer.", Objection.ROLES),
        ("The retention period for invoices is 10 weeks.", Objection.UNIT),
        ("The fee is at least 40 euros for a permit.", Objection.BOUND),
        ("Visitors must not stop in the yard but may park at the gate.", Objection.DENIED),
        ("Sales were decreased by the new catalogue.", Objection.OPPOSITE),
    ],
)
def test_the_one_thing_that_differs_is_named(claim: str, objection: Objection) -> None:
    evidence = passages(TEXT)
    assert verify(Draft(claim), evidence, verbatim=False) == ()
    assert why_not(Draft(claim), evidence, verbatim=False) is objection


def test_without_passages_or_for_a_copy_that_is_none_that_is_said() -> None:
    assert why_not(Draft("Fees rise."), (), verbatim=False) is Objection.NO_PASSAGES
    assert why_not(Draft("Fees rise."), passages(TEXT), verbatim=True) is Objection.NOT_VERBATIM


def test_every_objection_has_its_own_place() -> None:
    assert [objection.place for objection in Objection] == list(range(len(Objection)))
