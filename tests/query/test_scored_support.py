"""The support model on the path: it can take a claim away, and never give one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.query.account import Account, Reader
from rag.query.answer import answer
from rag.query.objections import Objection
from rag.query.parts import Options
from tests.query.company import Company, person
from tests.query.test_answer import TRAVEL, Writer
from tests.query.test_explain import OPERATOR

BUDGET = "The travel budget for the next quarter is 120,000 euros."
FLIGHTS = "Flights need approval by the finance director."
WRONG = "The travel budget for the next quarter is 130,000 euros."


class Scores:
    """Gives each claim the score that it is told, and remembers what it was asked."""

    def __init__(self, **scores: float) -> None:
        self.scores = scores
        self.asked: list[tuple[str, list[str]]] = []

    async def score(self, claim: str, evidence: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append((claim, list(evidence)))
        return np.full(len(evidence), self.scores.get(claim.split()[0], 1.0), dtype=np.float32)


async def test_a_claim_below_the_threshold_is_rejected_and_one_above_it_stays(company: Company) -> None:
    account = Account(Reader(OPERATOR, "key_1"))
    scorer = Scores(The=0.49, Flights=0.5)
    parts = company.with_parts(generator=Writer(f"{BUDGET}\n", f"{FLIGHTS}\n"), scorer=scorer)
    given = await answer(TRAVEL, person("finn"), parts, Options(account=account))
    assert [claim.text for claim in given.claims] == [FLIGHTS]
    assert scorer.asked == [(BUDGET, [BUDGET]), (FLIGHTS, [FLIGHTS])]
    assert account.explanation is not None
    assert [one.objection for one in account.explanation.judgements] == [Objection.SCORE, None]


async def test_a_score_that_is_no_number_rejects(company: Company) -> None:
    parts = company.with_parts(generator=Writer(f"{BUDGET}\n"), scorer=Scores(The=float("nan")))
    assert not (await answer(TRAVEL, person("finn"), parts)).found


async def test_no_score_admits_what_the_verifier_rejects(company: Company) -> None:
    scorer = Scores(The=1.0)
    parts = company.with_parts(generator=Writer(f"{WRONG}\n"), scorer=scorer)
    assert not (await answer(TRAVEL, person("finn"), parts)).found
    assert scorer.asked == []


async def test_a_copy_is_its_own_evidence_and_is_not_scored(company: Company) -> None:
    scorer = Scores(The=0.0, Flights=0.0, Each=0.0)
    given = await answer(TRAVEL, person("finn"), company.with_parts(scorer=scorer))
    assert given.found
    assert scorer.asked == []
