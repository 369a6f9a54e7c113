"""The filter tree in the words of the two engines. Nothing is decided here."""

import qdrant_edge as edge
from qdrant_client import models

from rag.index.tree import AnyOf, AtMost, Beyond, Every, Node, Some


def edge_filter(node: Every, *, scan: bool = False) -> edge.Filter:
    """For the engine in process.

    With `scan` the same is said twice negated. The engine then looks at each point once, in order, where it would
    gather points from the lists of one condition and check them afterwards: several times quicker where much is
    admitted, slower where little is.
    """
    plain = edge.Filter(
        must=[_edge(part) for part in node.must], must_not=[_edge(part) for part in node.must_not] or None
    )
    return edge.Filter(must_not=[edge.Filter(must_not=[plain])]) if scan else plain


def _edge(node: Node) -> edge.FieldCondition | edge.Filter:
    match node:
        case AnyOf(key, (value,)):
            # Admits what a list of one does, in half the time.
            return edge.FieldCondition(key, match=edge.MatchValue(value))
        case AnyOf(key, values):
            return edge.FieldCondition(key, match=edge.MatchAny(list(values)))
        case Beyond(key, values):
            return edge.FieldCondition(key, match=edge.MatchExcept(list(values)))
        case AtMost(key, value):
            return edge.FieldCondition(key, range=edge.RangeFloat(lte=value))
        case Some(alternatives):
            return edge.Filter(should=[_edge(part) for part in alternatives])
        case Every():
            return edge_filter(node)


def client_filter(node: Every) -> models.Filter:
    """For a server."""
    return models.Filter(
        must=[_client(part) for part in node.must], must_not=[_client(part) for part in node.must_not] or None
    )


def _client(node: Node) -> models.FieldCondition | models.Filter:
    match node:
        case AnyOf(key, (value,)):
            return models.FieldCondition(key=key, match=models.MatchValue(value=value))
        case AnyOf(key, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
        case Beyond(key, values):
            return models.FieldCondition(key=key, match=models.MatchExcept(**{"except": list(values)}))
        case AtMost(key, value):
            return models.FieldCondition(key=key, range=models.Range(lte=value))
        case Some(alternatives):
            return models.Filter(should=[_client(part) for part in alternatives])
        case Every():
            return client_filter(node)
