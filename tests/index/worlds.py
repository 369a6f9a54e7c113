"""Small worlds of payloads and plans over the same few names, and what a plan means, in plain Python."""

from collections.abc import Mapping
from random import Random
from typing import Any

from evals.access.engine import chunk as chunk
from policies.plan import Clause, Conditions, Grant
from policies.rules import Level
from rag.index.payload import SEAL, SEAL_KEY

TENANT = "acme"
DEPARTMENTS = ("sales", "legal", "Sales")
TAGS = ("region:eu", "region:us", "project:x")
OWNERS = ("user:ann", "user:bob", "")
NAMES = ("user:ann", "user:bob", "group:eng", "group:ext", "role:boss")
WALLS = ("compartment:deal", "compartment:board", "compartment:lab")
DOCUMENTS = ("d1", "d2", "d3", "d4")
EPOCHS = (1, 2, 3)


def payload(random: Random) -> dict[str, Any]:
    """A payload as the index may hold it; one in eight is not as it should be."""
    made: dict[str, Any] = {
        SEAL_KEY: SEAL,
        "tenant": TENANT,
        "document": random.choice(DOCUMENTS),
        "version": "v",
        "department": random.choice(DEPARTMENTS),
        "level": random.randint(0, 4),
        "tags": _some(random, TAGS, 0.5),
        "owner": random.choice(OWNERS),
        "shares": _some(random, NAMES, 0.3),
        "denied_shares": _some(random, NAMES, 0.08),
        "compartments": _some(random, WALLS, 0.15),
        "attribute_version": 1,
        "epoch": random.choice(EPOCHS),
    }
    if random.random() < 1 / 8:
        _damage(random, made)
    return made


def _damage(random: Random, made: dict[str, Any]) -> None:
    key, value = random.choice(
        [
            (SEAL_KEY, "v0"),
            (SEAL_KEY, 1),
            (SEAL_KEY, None),
            ("tenant", "other"),
            ("tenant", "ACME"),
            ("level", None),
            ("level", "0"),
            ("level", 7),
            ("epoch", None),
            ("level", "public"),
            ("epoch", "1"),
            ("department", None),
            ("department", ""),
            ("department", "sales "),
            ("department", 5),
            ("document", None),
            ("document", ["d1", "d2"]),
            ("tags", None),
            ("tags", "region:eu"),
            ("tags", [7, "region:us"]),
            ("owner", None),
            ("shares", None),
            ("shares", "user:ann"),
            ("shares", {"user:ann": 1}),
            ("denied_shares", None),
            ("denied_shares", "group:eng"),
            ("compartments", None),
            ("compartments", "compartment:deal"),
        ]
    )
    if value is None and random.random() < 0.5:
        del made[key]
    else:
        made[key] = value


def plan(random: Random) -> Conditions:
    grants = tuple(grant(random, who) for who in ("user:ann", "assistant:bot")[: random.choice((1, 1, 2))])
    return Conditions(TENANT, random.choice(EPOCHS), grants)


def grant(random: Random, subject: str) -> Grant:
    closure = frozenset({subject, *_some(random, NAMES[2:], 0.5)})
    return Grant(
        subject,
        allow=tuple(clause(random, closure, level=4) for _ in range(random.randint(1, 4))),
        deny=tuple(clause(random, closure, level=random.randint(1, 4)) for _ in range(random.choice((0, 0, 1, 2)))),
        closure=closure,
        compartments=frozenset(_some(random, WALLS, 0.6)),
    )


def clause(random: Random, closure: frozenset[str], *, level: int) -> Clause:
    def maybe(chance: float, values: tuple[str, ...]) -> frozenset[str] | None:
        return frozenset(random.sample(values, random.randint(1, 2))) if random.random() < chance else None

    return Clause(
        departments=maybe(0.5, DEPARTMENTS),
        tags=frozenset(_some(random, TAGS, 0.2)),
        owner=random.choice(OWNERS[:2]) if random.random() < 0.15 else None,
        documents=maybe(0.2, DOCUMENTS),
        shared_with=closure if random.random() < 0.2 else None,
        max_level=Level(random.randint(min(1, level), level)),
    )


def _some(random: Random, values: tuple[str, ...], chance: float) -> list[str]:
    return [value for value in values if random.random() < chance]


def admits(conditions: Conditions, point: Mapping[str, Any]) -> bool:
    """What `policies.plan` says a plan means, for one payload."""
    epoch = point.get("epoch")
    return (
        point.get(SEAL_KEY) == SEAL
        and point.get("tenant") == conditions.tenant
        and isinstance(epoch, int)
        and epoch <= conditions.epoch
        and all(_granted(one, point) for one in conditions.grants)
    )


def _granted(one: Grant, point: Mapping[str, Any]) -> bool:
    level = point.get("level")
    proper = isinstance(level, int)
    return (
        any(proper and level <= clause.max_level and _meets(clause, point) for clause in one.allow)
        and not any(_denies(clause, point) for clause in one.deny)
        and not one.closure & _values(point, "denied_shares")
        and _values(point, "compartments") <= one.compartments
    )


def _denies(clause: Clause, point: Mapping[str, Any]) -> bool:
    level = point.get("level")
    reaches = clause.max_level is Level.SECRET or (isinstance(level, int) and level <= clause.max_level)
    return reaches and _meets(clause, point)


def _meets(clause: Clause, point: Mapping[str, Any]) -> bool:
    """Everything but the level."""
    return (
        (clause.departments is None or bool(clause.departments & _values(point, "department")))
        and clause.tags <= _values(point, "tags")
        and (clause.owner is None or clause.owner in _values(point, "owner"))
        and (clause.documents is None or bool(clause.documents & _values(point, "document")))
        and (clause.shared_with is None or bool(clause.shared_with & _values(point, "shares")))
    )


def _values(point: Mapping[str, Any], key: str) -> set[object]:
    """As engines read a column: a list is each of its members, anything else is one value, null and objects none."""
    value = point.get(key)
    members = value if isinstance(value, list) else [value]
    return {member for member in members if isinstance(member, str | int)}
