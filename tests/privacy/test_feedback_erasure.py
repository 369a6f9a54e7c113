"""An erasure takes what feedback says of a person, and what she said herself."""

from datetime import UTC, datetime

import pytest

from rag.db.engine import Database
from rag.db.feedback import FeedbackRow, Feedbacks, FeedbackState
from tests.privacy.people import TENANT, World, found_world


@pytest.fixture
async def world(any_database: Database) -> World:
    return await found_world(any_database)


def row(answer: str, person: str = "user:zoe", comment: str = "", question: str = "") -> FeedbackRow:
    return FeedbackRow(
        tenant=TENANT, answer=answer, record=1, person=person, verdict="up", reason="", comment=comment,
        question=question, state=FeedbackState.ACCEPTED, expected={}, given_at=datetime(2026, 1, 1, tzinfo=UTC),
        reviewed_by=None, reviewed_at=None,
    )  # fmt: skip


async def test_texts_that_hold_her_token_or_her_name_go_and_others_stay(world: World) -> None:
    token, other = world.token("Cleo Quist"), world.token("Bob Lee")
    async with world.database.unit_of_work() as session:
        for one in (
            row("ans_token", question=f"Where does {token} sit?"),
            row("ans_plain", comment="cleo  quist told me"),  # the masking had missed it
            row("ans_other", question=f"Where does {other} sit?"),
            row("ans_hers", person="user:cleo.quist", comment="fine"),
        ):
            session.add(one)
    done = await world.erase("Cleo Quist")
    async with world.database.reading() as session:
        left = {one.answer: one for one in await Feedbacks(session, TENANT).newest(10)}
    assert left.keys() == {"ans_token", "ans_plain", "ans_other"}
    assert (left["ans_token"].question, left["ans_token"].state) == ("", FeedbackState.REJECTED)
    assert left["ans_plain"].comment == ""
    assert (left["ans_other"].question, left["ans_other"].state) == (
        f"Where does {other} sit?",
        FeedbackState.ACCEPTED,
    )
    assert '"feedback":3' in done.text.replace(" ", "")
