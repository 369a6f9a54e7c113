"""No read of the index can be written without the filter of a plan: the sources are searched for one.

Engines take a request without a filter for "everything", and no setting of theirs forbids it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "rag" / "index"

ENGINE_FILES = {
    "cluster.py", "collection.py", "connection.py", "embedded.py", "lexical.py", "render.py", "server.py", "shard.py",
    "stores.py",
}  # fmt: skip
"""Where an engine's package may be imported."""

FILTERED = {
    "QueryRequest": "filter",
    "CountRequest": "filter",
    "ScrollRequest": "filter",
    "FacetRequest": "filter",
    "IdfParams": "corpus",
    "IdfCorpusParams": "corpus",
    "client.count": "count_filter",
    "client.scroll": "scroll_filter",
    "client.facet": "facet_filter",
}
"""What asks an engine, and the argument that restricts it."""

FILTERS = {"filters.whole", "part", "whole"}
"""What the argument is: a filter that `_ask` made, by itself or as the parameter of a request's builder."""

ENGINE_CALLS = {
    "embedded.py": {"query_batch", "count", "scroll", "facet", "info", "update", "flush", "close"},
    "shard.py": {"info", "facet", "scroll", "update", "flush", "close", "optimize"},
    "server.py": {"query_batch_points", "count", "scroll", "facet", "upsert", "overwrite_payload", "delete"},
    "collection.py": {"info", "collection_exists", "get_collection", "create_payload_index", "create_collection"},
    "stores.py": {"close", "collection_exists", "delete_collection"},
    # How collections are made and whether their replicas serve: no point is read.
    "cluster.py": {"get_collections", "get_collection", "collection_cluster_info", "close"},
}
"""Everything that is called on an engine: a new read has to be looked at here."""

UNFILTERED = {
    ("embedded.py", "points", "CountRequest"),
    ("server.py", "points", "client.count"),
    # An estimate with the filter itself, from which the wording of the filter is chosen.
    ("embedded.py", "_filter", "CountRequest"),
    # Which sets of labels there are, for the owner of the index, who holds every plan against them.
    ("shard.py", "label_sets_in", "FacetRequest"),
    ("shard.py", "label_sets_in", "ScrollRequest"),
}

Call = tuple[str, str, ast.Call]
"""The function it stands in, what is called, and the call."""


def calls(source: str) -> Iterator[Call]:
    """Every call of a module; of nested functions, the outermost one is named."""
    tree = ast.parse(source)
    methods = [node for part in tree.body for node in (part.body if isinstance(part, ast.ClassDef) else [part])]
    for method in methods:
        for node in ast.walk(method):
            if isinstance(node, ast.Call):
                yield getattr(method, "name", ""), _called(node.func), node


def _called(function: ast.expr) -> str:
    """`QueryRequest` for a request, `client.count` or `shard.count` for a call of an engine."""
    match function:
        case ast.Attribute(ast.Attribute(ast.Name("self"), ("_client" | "_shard") as engine), name):
            return f"{engine.removeprefix('_')}.{name}"
        case ast.Attribute(ast.Name(("client" | "shard") as engine), name):
            return f"{engine}.{name}"
        case ast.Attribute(_, name) | ast.Name(name):
            return name
        case _:
            return ""


def unfiltered(source: str) -> set[tuple[str, str]]:
    """(function, request) of every read whose filter is not one that was made from a plan."""
    found = set()
    for function, called, call in calls(source):
        argument = FILTERED.get(called)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if argument is not None and given.get(argument) not in FILTERS:
            found.add((function, called))
    return found


def sources() -> list[Path]:
    return sorted(path for room in ("rag", "ingestion", "policies") for path in (ROOT / room).rglob("*.py"))


def test_every_read_has_the_filter_of_a_plan_but_the_named_ones() -> None:
    found = {(path.name, *read) for path in INDEX.glob("*.py") for read in unfiltered(path.read_text())}
    assert found == UNFILTERED


def test_a_filter_is_made_from_a_plan_in_one_place_of_each_store() -> None:
    makers = {"access_of", "access_filter", "filter_of", "edge_filter", "client_filter"}
    places = {
        (path.name, function, called)
        for path in INDEX.glob("*.py")
        for function, called, _ in calls(path.read_text())
        if called in makers and path.name not in ("filter.py", "label_sets.py", "render.py")
    }
    assert places == {
        ("embedded.py", "_filters", "access_of"),
        ("embedded.py", "_filters", "filter_of"),
        ("embedded.py", "_filter", "edge_filter"),
        ("server.py", "_ask", "access_of"),
        ("server.py", "_ask", "client_filter"),
    }


@pytest.mark.parametrize("file", ["embedded.py", "server.py"])
@pytest.mark.parametrize("read", ["search", "count", "scroll", "facets"])
def test_every_read_goes_through_the_one_place(file: str, read: str) -> None:
    called = {called for function, called, _ in calls((INDEX / file).read_text()) if function == read}
    assert "_ask" in called


def test_nothing_else_is_called_on_an_engine() -> None:
    for path in INDEX.glob("*.py"):
        engine = {called for _, called, _ in calls(path.read_text()) if called.startswith(("client.", "shard."))}
        assert {called.partition(".")[2] for called in engine} <= ENGINE_CALLS.get(path.name, set()), path.name


def test_an_engine_is_imported_nowhere_else() -> None:
    importing = {
        path.relative_to(INDEX).as_posix() if path.is_relative_to(INDEX) else str(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if any(name.startswith(("qdrant_client", "qdrant_edge")) for name in _imported(node))
    }
    assert importing == ENGINE_FILES


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []


@pytest.mark.parametrize(
    ("statement", "noticed"),
    [
        ("edge.QueryRequest(limit=5, query=near, filter=part)", False),
        ("edge.QueryRequest(limit=5, query=near)", True),
        ("edge.QueryRequest(limit=5, query=near, filter=None)", True),
        ("models.QueryRequest(query=near, filter=models.Filter(), limit=5)", True),
        ("ScrollRequest(limit=5, filter=edge.Filter(must=[]))", True),
        ("self._client.count(name, count_filter=filters.whole, exact=True)", False),
        ("self._client.count(name, exact=True)", True),
        ("self._client.facet(name, 'level', exact=True)", True),
        ("edge.SearchParams(idf=edge.IdfParams())", True),
    ],
)
def test_a_read_that_forgets_its_filter_is_noticed(statement: str, noticed: bool) -> None:
    assert bool(unfiltered(f"class Store:\n    def read(self):\n        return {statement}\n")) is noticed
