"""What must be refused when it is written, and what no filter may admit if it got into the index nevertheless."""

from collections.abc import Iterator, Mapping
from typing import Any

from evals.access.worlds import ELSEWHERE, HOME
from policies.rules import Attributes, Level
from rag.index.payload import LABELS_KEY, SEAL, SEAL_KEY, labels_digest, payload_of

HOSTILE_NAMES = (
    "", " ", "*", "@shared", "R&&D", "a||b", "eng!", "hr ", " hr", "hr\n", "hr\x00", "a,b", "x)", "*(", "hr:it", "-hr",
    "hr\u200b", "h\u0433", "\uff48\uff52", "hr\u0301", "\u212aelvin", "role:ann", "True) or (True", "n" * 129,
)  # fmt: skip
"""Names that are refused in every column: operators, separators, twins in another alphabet, invisible characters."""

_MISSING = object()

# Every filter asks for these four columns, so a point whose value is not right there is nobody's. A list that
# holds a right value among others would count as right; such a payload is refused where points are written.
_DAMAGE: Mapping[str, tuple[object, ...]] = {
    SEAL_KEY: (_MISSING, None, "", "v0", "V1", SEAL + " ", 1, True, [], ["v0"], {SEAL: SEAL}),
    "tenant": (_MISSING, None, "", ELSEWHERE, HOME.upper(), HOME + " ", "h\u043eme", 1, [], [ELSEWHERE], {HOME: HOME}),
    "level": (_MISSING, None, "", "0", "public", True, [], ["0"], int(Level.SECRET) + 1, 10**18, {"0": 0}),
    "epoch": (_MISSING, None, "", "1", True, [], ["1"], 10**18, {"1": 1}),
}


def open_document() -> Attributes:
    """What nearly everybody may read."""
    return Attributes(HOME, "d1", "hr", Level.PUBLIC, frozenset({"eu", "r.y"}), "user:ann", frozenset({"user:ann"}))


def hostile_payloads() -> Iterator[tuple[str, dict[str, Any]]]:
    """Payloads of `open_document`, each spoilt in one column that every filter asks for, by name."""
    for column, values in _DAMAGE.items():
        for value in values:
            payload: dict[str, Any] = {**sound_payload()}
            if value is _MISSING:
                del payload[column]
            else:
                payload[column] = value
            _name_again(payload)
            yield f"{column} missing" if value is _MISSING else f"{column} {value!r}", payload


def misnamed_payloads() -> Iterator[dict[str, Any]]:
    """Payloads of `open_document` whose digest is not of their labels: no filter by sets of labels may admit them."""
    for value in (None, "", "lbl_0", 1, True, [], ["lbl_0"], {"lbl": "lbl"}):
        yield {**sound_payload(), LABELS_KEY: value}
    payload = {**sound_payload()}
    del payload[LABELS_KEY]
    yield payload


def _name_again(payload: dict[str, Any]) -> None:
    """The digest of the labels as they are now, or none where there can be none."""
    try:
        payload[LABELS_KEY] = labels_digest(payload)
    except (KeyError, TypeError):
        del payload[LABELS_KEY]


def sound_payload() -> Mapping[str, Any]:
    """The same, as it should be."""
    return payload_of(open_document(), version="v", attribute_version=1, policy_epoch=1)
