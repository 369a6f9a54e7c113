"""A filter as a small tree of our own, which `rag.index.render` spells for each engine.

The tree cannot say what engines read as "everything": an alternative without members, an empty list of values
or a filter without a condition is refused when it is built. Nor can it hold a list that engines choke on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from policies.plan import LIST_MAX


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some value under `key` is one of `values`. A missing key has no value."""

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _fits(self.values, self.key)


@dataclass(frozen=True, slots=True)
class Beyond:
    """Some value under `key` is none of `values`. A missing key has no value.

    It cannot be made of several: a value beyond one half of the list may stand in the other half.
    """

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _fits(self.values, self.key)


@dataclass(frozen=True, slots=True)
class AtMost:
    """The number under `key` is at most `value`. A missing key is not."""

    key: str
    value: int


@dataclass(frozen=True, slots=True)
class Every:
    """All of `must`, none of `must_not`."""

    must: "tuple[Node, ...]"
    must_not: "tuple[Node, ...]" = ()

    def __post_init__(self) -> None:
        _not_empty(self.must, "must")


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of `alternatives`."""

    alternatives: "tuple[Node, ...]"

    def __post_init__(self) -> None:
        _not_empty(self.alternatives, "alternatives")


Node: TypeAlias = AnyOf | Beyond | AtMost | Every | Some


def any_of(key: str, values: Iterable[str]) -> tuple[AnyOf, ...]:
    """Conditions of which one holds where some value under `key` is one of `values`: one per `LIST_MAX` of them.

    Raises:
        ValueError: no values.
    """
    ordered = tuple(sorted(values))
    _not_empty(ordered, key)
    return tuple(AnyOf(key, ordered[start : start + LIST_MAX]) for start in range(0, len(ordered), LIST_MAX))


def size(node: Node) -> int:
    """How many conditions on fields the filter holds, as Qdrant's strict mode counts them."""
    match node:
        case Every(must, must_not):
            return sum(size(part) for part in (*must, *must_not))
        case Some(alternatives):
            return sum(size(part) for part in alternatives)
        case _:
            return 1


def _fits(values: tuple[str, ...], key: str) -> None:
    _not_empty(values, key)
    if len(values) > LIST_MAX:
        raise ValueError(f"{len(values)} values for {key} are more than the {LIST_MAX} that one condition may hold")


def _not_empty(values: tuple[object, ...], what: str) -> None:
    if not values:
        raise ValueError(f"an empty {what} would not mean what it seems to")
