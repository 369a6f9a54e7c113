"""Broken filters: the product's own tree with nodes changed or dropped, and filters of a plan with parts left out."""

from collections.abc import Callable
from dataclasses import replace

from policies.plan import Conditions, Grant
from rag.index.filter import access_filter
from rag.index.tree import AnyOf, AtMost, Beyond, Every, Node, Some

Filterer = Callable[[Conditions], Every | None]
Rewriting = Callable[[Node], Node | None]

_EVERYTHING = AtMost("epoch", 10**6)


def rewritten(node: Node, change: Rewriting) -> Node | None:
    """The tree with every node replaced by what `change` makes of it, from the leaves up; None drops it."""
    match node:
        case Every(must, must_not):
            kept = tuple(part for part in (rewritten(n, change) for n in must) if part is not None)
            kept_not = tuple(part for part in (rewritten(n, change) for n in must_not) if part is not None)
            # Dropped to nothing: everything, as the engine would read it.
            node = Every(kept or (_EVERYTHING,), kept_not)
        case Some(alternatives):
            left = tuple(part for part in (rewritten(n, change) for n in alternatives) if part is not None)
            node = Some(left or (_EVERYTHING,))
        case _:
            pass
    return change(node)


def _rewriting(change: Rewriting) -> Filterer:
    def filterer(compiled: Conditions) -> Every | None:
        node = access_filter(compiled)
        changed = None if node is None else rewritten(node, change)
        return changed if isinstance(changed, Every) else None

    return filterer


def _without(key: str) -> Filterer:
    return _rewriting(lambda node: None if getattr(node, "key", None) == key else node)


def _only(**changes: Callable[[Grant], object]) -> Filterer:
    """Each grant with some fields made anew."""

    def filterer(compiled: Conditions) -> Every | None:
        grants = [
            replace(grant, **{field: make(grant) for field, make in changes.items()})  # type: ignore[arg-type] # by name
            for grant in compiled.grants
        ]
        return access_filter(replace(compiled, grants=tuple(grants)))

    return filterer


def _any_tag(node: Node) -> Node | None:
    if not isinstance(node, Every):
        return node
    tags = [part for part in node.must if isinstance(part, AnyOf) and part.key == "tags"]
    if not tags:
        return node
    rest = tuple(part for part in node.must if part not in tags)
    return replace(node, must=(*rest, AnyOf("tags", tuple(value for part in tags for value in part.values))))


def _below(key: str) -> Filterer:
    return _rewriting(
        lambda node: AtMost(key, node.value - 1) if isinstance(node, AtMost) and node.key == key else node
    )


_WALLS = ("denied_shares", "compartments")


def _no_denials(node: Node) -> Node | None:
    if not isinstance(node, Every):
        return node
    return replace(node, must_not=tuple(part for part in node.must_not if getattr(part, "key", None) in _WALLS))


FILTERS: dict[str, Filterer] = {
    "seal dropped": _without("acl_schema"),
    "tenant dropped": _without("tenant"),
    "epoch ignored": _without("epoch"),
    "level ignored": _without("level"),
    "department ignored": _without("department"),
    "document ignored": _without("document"),
    "owner ignored": _without("owner"),
    "tags ignored": _without("tags"),
    "shares ignored": _without("shares"),
    "denied shares ignored": _without("denied_shares"),
    "compartments ignored": _without("compartments"),
    "any tag for all tags": _rewriting(_any_tag),
    "any compartment for all": _rewriting(lambda n: AnyOf("compartments", ("-",)) if isinstance(n, Beyond) else n),
    "empty alternatives": _rewriting(lambda node: None if isinstance(node, Some) else node),
    "below instead of at most a level": _below("level"),
    "below instead of at most an epoch": _below("epoch"),
    "denials dropped": _rewriting(_no_denials),
    "first allow clause only": _only(allow=lambda grant: grant.allow[:1]),
    "first denial only": _only(deny=lambda grant: grant.deny[:1]),
    "closure without groups": _only(closure=lambda grant: frozenset({grant.subject})),
    "assistant ignored": lambda compiled: access_filter(replace(compiled, grants=compiled.grants[:1])),
    "person ignored": lambda compiled: access_filter(replace(compiled, grants=compiled.grants[-1:])),
}
