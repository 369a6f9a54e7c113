"""On the ingested sample company: plan, check, the real index and Casbin on the whole policy say the same.

For every person, alone and through every assistant, and every document and stricter paragraph.
"""

from collections import Counter
from itertools import product

import pytest

from evals.oracle import read_oracle
from policies.check import check
from policies.plan import Conditions, plan
from policies.rules import Attributes, Caller
from policies.snapshot import Snapshot
from policies.store import PolicyStore
from rag.db.documents import Documents, attributes_of, tightening_of
from rag.db.engine import open_database
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.settings import Settings
from tests.e2e.conftest import POLICY, TENANT, CommandLine
from tests.policies.evaluate import admits
from tests.policies.oracle import Oracle

DIM = 384


async def policy_and_labels(company: CommandLine) -> tuple[Snapshot, Counter[Attributes]]:
    """The stored policy, and how many visible chunks carry which attributes."""
    database = await open_database(f"sqlite+aiosqlite:///{company.data_dir / 'ringfence.db'}")
    try:
        async with database.reading() as session:
            documents = Documents(session)
            labels: Counter[Attributes] = Counter()
            for row in await documents.of_tenant(TENANT):
                assert row.current_version is not None
                for chunk in await documents.chunks_of(TENANT, row.current_version):
                    labels[attributes_of(row).tightened(tightening_of(chunk))] += 1
            return await PolicyStore(session).snapshot(TENANT), labels
    finally:
        await database.close()


def open_index(company: CommandLine) -> EmbeddedStore:
    folder = next((company.data_dir / "index").iterdir())
    return open_embedded(folder, tenant=TENANT, dim=DIM, conditions_max=Settings().index.conditions_max)


@pytest.mark.timeout(600)  # may wait for another worker that ingests the company
async def test_four_ways_to_decide_agree_for_everybody_on_everything(company: CommandLine) -> None:
    snapshot, labels = await policy_and_labels(company)
    whole_policy = Oracle(snapshot.rules, snapshot.links)
    people = read_oracle(POLICY).people
    assistants = [None, *read_oracle(POLICY).assistants]
    index = open_index(company)
    decided = allowed = 0
    for person, assistant in product(people, assistants):
        callers = [Caller(TENANT, name) for name in (person, assistant) if name is not None]
        compiled = plan(snapshot, callers)
        admitted = 0
        for attributes, chunks in labels.items():
            expected = whole_policy.allows(callers, "read", attributes)
            assert check(snapshot, callers, "read", attributes).allowed is expected, (callers, attributes)
            assert admits(compiled, attributes) is expected, (callers, attributes)
            admitted += chunks * expected
            decided += 1
            allowed += expected
        found = await index.count(compiled) if isinstance(compiled, Conditions) else 0
        assert found == admitted, callers
    await index.close()
    assert len(labels) > 60
    assert decided > 3_000
    assert decided * 0.05 < allowed < decided * 0.6
