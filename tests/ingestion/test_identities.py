"""Whom a source's people and groups are here: no name merges two of them, and who is not mapped gets nothing."""

import pytest
from pydantic import ValidationError

from ingestion.sources.identities import Identities, Mapped, Permissions, SourcePrincipal
from ingestion.sources.protocol import Labels, Unlabelled
from policies.rules import Level

ANN, BO, EVE = (SourcePrincipal("user", name) for name in ("1001", "1002", "1003"))
STAFF, ANN_THE_GROUP = SourcePrincipal("group", "100"), SourcePrincipal("group", "1001")
LABELS = Labels("hr", Level.INTERNAL, owner="user:zoe", shares=frozenset({"group:all"}))


@pytest.fixture
def mapped() -> Mapped:
    return Mapped(Identities(users={"1001": "user:ann", "1002": "user:bo"}, groups={"100": "group:staff"}))


def test_a_person_and_a_group_of_one_number_stay_two(mapped: Mapped) -> None:
    both = Permissions(readers=frozenset({ANN, ANN_THE_GROUP}))
    labels = mapped.labelled(LABELS, both)
    assert isinstance(labels, Labels)
    assert labels.shares == {"user:ann"}
    assert mapped.notices() == ("group 1001 of the source is not in `identities`: without its rights on 1 document",)


def test_owner_and_shares_are_the_sources_alone_and_denials_are_added(mapped: Mapped) -> None:
    given = Labels("hr", Level.INTERNAL, owner="user:zoe", shares=LABELS.shares, denied_shares=frozenset({"user:yan"}))
    labels = mapped.labelled(given, Permissions(ANN, frozenset({STAFF}), frozenset({BO})))
    assert labels == Labels(
        "hr",
        Level.INTERNAL,
        owner="user:ann",
        shares=frozenset({"group:staff"}),
        denied_shares=frozenset({"user:bo", "user:yan"}),
    )
    assert mapped.notices() == ()


def test_who_is_not_mapped_gets_nothing_and_is_counted(mapped: Mapped) -> None:
    for _ in range(2):
        labels = mapped.labelled(LABELS, Permissions(EVE, frozenset({EVE, STAFF})))
        assert isinstance(labels, Labels)
        assert (labels.owner, labels.shares) == ("", {"group:staff"})
    assert mapped.notices() == ("user 1003 of the source is not in `identities`: without its rights on 4 documents",)


def test_a_denial_that_cannot_be_said_keeps_the_document_out(mapped: Mapped) -> None:
    labels = mapped.labelled(LABELS, Permissions(ANN, frozenset({STAFF}), frozenset({EVE})))
    assert isinstance(labels, Unlabelled)
    assert "user 1003" in labels.why
    nobody = Mapped(Identities(groups={"100": "group:staff"}, users={"1003": "nobody", "1001": "user:ann"}))
    said = nobody.labelled(LABELS, Permissions(ANN, frozenset({STAFF}), frozenset({EVE})))
    assert isinstance(said, Labels)
    assert (said.denied_shares, nobody.notices()) == (frozenset(), ())


def test_two_principals_are_one_subject_only_where_that_is_said() -> None:
    twice = {"1001": "user:ann", "5001": "user:ann"}
    with pytest.raises(ValidationError, match="user:ann"):
        Identities(users=twice)
    assert Identities(users=twice, same=("user:ann",)).subject(SourcePrincipal("user", "5001")) == "user:ann"


@pytest.mark.parametrize(
    "table",
    [
        {"users": {"1001": "group:staff"}},
        {"users": {"1001": "ann"}},
        {"groups": {"100": "user:ann"}},
        {"groups": {"100": "assistant:bot"}},
        {"users": {"": "user:ann"}},
        {"users": {" 1001": "user:ann"}},
        {"users": {"10\u202e01": "user:ann"}},
    ],
)
def test_a_table_that_says_something_else_than_it_seems_to_is_refused(table: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValidationError):
        Identities.model_validate(table)


def test_identities_are_compared_letter_by_letter() -> None:
    table = Identities(users={"Ann@acme.example": "user:ann"})
    for other in ("ann@acme.example", "Ann+x@acme.example", "Ann@acme.example."):
        assert table.subject(SourcePrincipal("user", other)) is None
    assert table.subject(SourcePrincipal("user", "Ann@acme.example")) == "user:ann"
