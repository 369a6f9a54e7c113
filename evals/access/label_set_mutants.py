"""The filter by sets of labels, and broken ones."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from policies.plan import Conditions
from policies.rules import Level
from rag.index.filter import access_filter
from rag.index.label_sets import LabelSets
from rag.index.store import Payload
from rag.index.tree import AtMost, Every, Node, Some

Namer = Callable[[Iterable[Payload], Conditions], Every | None]
"""From the payloads of an index and a plan to what the plan admits there."""


def filter_by_label_sets(payloads: Iterable[Payload], compiled: Conditions) -> Every | None:
    """As the embedded store does it, which writes no other tenant's points."""
    sets = LabelSets()
    sets.add(payload for payload in payloads if payload["tenant"] == compiled.tenant)
    return sets.filter_of(compiled)


def _tightened(**changes: object) -> Namer:
    """The sets of a corpus whose payloads carry other labels than their digests say."""
    return lambda payloads, compiled: filter_by_label_sets(
        ({**payload, **changes} for payload in payloads),  # type: ignore[dict-item] # by name
        compiled,
    )


def _branches(change: Callable[[tuple[Node, ...]], tuple[Node, ...]]) -> Namer:
    """The filter with what it says of unnamed and of named documents changed, where it says both."""

    def namer(payloads: Iterable[Payload], compiled: Conditions) -> Every | None:
        node = filter_by_label_sets(payloads, compiled)
        match node:
            case Every((Some(alternatives),), ()):
                return Every((Some(change(alternatives)),))
            case _:
                return node

    return namer


def _epoch_ignored(payloads: Iterable[Payload], compiled: Conditions) -> Every | None:
    return filter_by_label_sets(payloads, replace(compiled, epoch=10**6))


def _denials_dropped(payloads: Iterable[Payload], compiled: Conditions) -> Every | None:
    return filter_by_label_sets(payloads, replace(compiled, grants=tuple(replace(g, deny=()) for g in compiled.grants)))


def _first_sets_only(payloads: Iterable[Payload], compiled: Conditions) -> Every | None:
    return filter_by_label_sets(list(payloads)[:100], compiled)


def _unrestricted(node: Node) -> Node:
    return replace(node, must_not=()) if isinstance(node, Every) else node


LABEL_SETS: dict[str, Namer] = {
    "epoch ignored": _epoch_ignored,
    "denials dropped": _denials_dropped,
    "sets of half the points": _first_sets_only,
    "levels forgotten": _tightened(level=int(Level.PUBLIC)),
    "compartments forgotten": _tightened(compartments=[]),
    "denied shares forgotten": _tightened(denied_shares=[]),
    "owners forgotten": _tightened(owner=""),
    "named documents judged by their labels too": _branches(lambda parts: (_unrestricted(parts[0]), *parts[1:])),
    "named documents left out": _branches(lambda parts: parts[:1]),
    "all points of the tenant": lambda payloads, compiled: (
        Every((AtMost("epoch", compiled.epoch),)) if access_filter(compiled) is not None else None
    ),
}
