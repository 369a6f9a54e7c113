"""The oracle against hand-written cases, and the real decisions against the oracle."""

import pytest

from evals.oracle import Labels, Oracle, read_oracle
from evals.questions import POLICY, TENANT
from policies.check import check
from policies.files.cases import read_policy_file
from policies.plan import Conditions, plan
from policies.rules import Attributes, Caller, Level
from policies.snapshot import Snapshot
from tests.policies.evaluate import admits

ACTIONS = ("read", "relabel", "ingest", "unmask:PERSON", "unmask:EMAIL_ADDRESS", "unmask:IBAN_CODE")

ORACLE = Oracle(
    rules=[
        {"subject": "role:staff", "action": ["read", "relabel"], "department": "hr", "level": "internal"},
        {"subject": "role:staff", "action": "read", "tags": ["a", "b"]},
        {"subject": "role:staff", "action": "read", "document": "@shared"},
        {"subject": "role:staff", "action": "read", "owner": "self"},
        {"subject": "role:staff", "action": "read", "tags": ["closed"], "effect": "deny"},
        {"subject": "assistant:desk", "action": "read", "level": "public"},
    ],
    links=[
        {"member": "user:ann", "parent": "group:team"},
        {"member": "group:team", "parent": "role:staff"},
        {"member": "user:ann", "parent": "compartment:deal"},
    ],
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (Labels("d", "hr", 1), True),
        (Labels("d", "hr", 2), False),
        (Labels("d", "it", 1), False),
        (Labels("d", "it", 4, tags=("a", "b", "c")), True),
        (Labels("d", "it", 4, tags=("a",)), False),
        (Labels("d", "it", 4, shares=("group:team",)), True),
        (Labels("d", "it", 4, shares=("group:other",)), False),
        (Labels("d", "it", 4, owner="user:ann"), True),
        (Labels("d", "it", 4, owner="user:bob"), False),
        (Labels("d", "hr", 0, tags=("closed",)), False),
        (Labels("d", "hr", 0, denied_shares=("group:team",)), False),
        (Labels("d", "hr", 0, compartments=("compartment:deal",)), True),
        (Labels("d", "hr", 0, compartments=("compartment:deal", "compartment:other")), False),
    ],
)
def test_the_oracle_follows_the_description_of_the_access_model(document: Labels, expected: bool) -> None:
    assert ORACLE.may(["user:ann"], "read", document) is expected
    assert ORACLE.may(["user:nobody"], "read", document) is False


def test_person_and_assistant_must_both_be_allowed() -> None:
    assert ORACLE.may(["user:ann", "assistant:desk"], "read", Labels("d", "hr", 0))
    assert not ORACLE.may(["user:ann", "assistant:desk"], "read", Labels("d", "hr", 1))
    assert not ORACLE.may([], "read", Labels("d", "hr", 0))


def test_the_real_decisions_equal_the_oracle_for_every_person_assistant_and_document() -> None:
    file = read_policy_file(POLICY)
    oracle = read_oracle(POLICY)
    snapshot = Snapshot(TENANT, 1, file.rules_in(TENANT), file.links_in(TENANT))
    documents = {
        name: [line.attributes(TENANT, name)] + [_at_level(line.attributes(TENANT, name), level) for level in Level]
        for name, line in file.documents.items()
    }
    decided = allowed = 0
    callers = [(person,) for person in oracle.people]
    callers += [(person, assistant) for person in oracle.people for assistant in oracle.assistants]
    for names in callers:
        asking = [Caller(TENANT, name) for name in names]
        for action in ACTIONS if len(names) == 1 else ACTIONS[:1]:
            compiled = plan(snapshot, asking, action)
            for attributes in (one for variants in documents.values() for one in variants):
                expected = oracle.may(names, action, _labels(attributes))
                assert check(snapshot, asking, action, attributes).allowed is expected, (names, action, attributes)
                planned = isinstance(compiled, Conditions) and admits(compiled, attributes)
                assert planned is expected, (names, action, attributes)
                decided += 1
                allowed += expected
    assert decided > 10_000
    assert 500 < allowed < decided - 500


def _at_level(attributes: Attributes, level: Level) -> Attributes:
    return Attributes(
        attributes.tenant,
        attributes.document,
        attributes.department,
        level,
        attributes.tags,
        attributes.owner,
        attributes.shares,
        attributes.denied_shares,
        attributes.compartments,
    )


def _labels(attributes: Attributes) -> Labels:
    return Labels(
        attributes.document,
        attributes.department,
        int(attributes.level),
        tuple(attributes.tags),
        attributes.owner,
        tuple(attributes.shares),
        tuple(attributes.denied_shares),
        tuple(attributes.compartments),
    )
