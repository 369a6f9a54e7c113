"""The filter tree in the words of the two engines. Nothing is decided here."""

import qdrant_edge as edge
from qdrant_client import models

from rag.index.filter import AnyOf, AtMost, Beyond, Every, Node, Some


def edge_filter(node: Every) -> edge.Filter:
    """For the engine in process."""
    return edge.Filter(
        must=[_edge(part) for part in node.must], must_not=[_edge(part) for part in node.must_not] or None
    )


def _edge(node: Node) -> edge.FieldCondition | edge.Filter:
    match node:
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
