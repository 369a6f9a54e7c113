"""What may enter an index: engines read a list as any of its values, and a missing key as nothing to object to."""

from typing import Any

import pytest

from policies.rules import Attributes, Level
from rag.index.payload import INTEGERS, KEYWORDS, payload_of
from rag.index.points import check_payload

SOUND = payload_of(
    Attributes("acme", "d", "hr", Level.SECRET, denied_shares=frozenset({"user:ann"})),
    version="v",
    attribute_version=1,
    policy_epoch=1,
)


def test_what_the_house_makes_may_enter() -> None:
    check_payload(SOUND, tenant="acme")


@pytest.mark.parametrize("key", [*KEYWORDS, *INTEGERS])
def test_a_payload_without_one_of_its_labels_may_not(key: str) -> None:
    with pytest.raises(ValueError, match="cannot enter"):
        check_payload({name: value for name, value in SOUND.items() if name != key}, tenant="acme")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("level", [0, 4]),
        ("level", True),
        ("level", 4.0),
        ("level", None),
        ("denied_shares", "user:ann"),
        ("compartments", None),
        ("owner", ["user:ann"]),
        ("epoch", "1"),
        ("tenant", "other"),
    ],
)
def test_a_payload_with_a_label_of_the_wrong_type_may_not(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match="cannot enter"):
        check_payload({**SOUND, key: value}, tenant="acme")
