"""JSON and JSON lines: keys are headings, records are rows of `path.to.field: value; ...`.

A file with a marker in it is read strictly in its own order: what stands between two markers must stay there.
"""

import json
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from ingestion.parse.cleaning import IN_A_NAME, MARKER, one_line, refuse_markers
from ingestion.parse.document import DEPTH_MAX, Head, Reason, Refused
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode

_HEADINGS = 6
"""Deeper objects are written with their path instead."""
_ROW_CHARS_MAX = 4_000
"""A record longer than this is read field by field."""


def extract(data: bytes, pieces: Pieces) -> Head:
    value = _loaded(decode(data))
    _walk(value, pieces, 1, in_order=_has_marker(value))
    return Head("application/json")


def extract_lines(data: bytes, pieces: Pieces) -> Head:
    # Other ends of lines may stand in a text as they are.
    for number, line in enumerate(decode(data).split("\n"), 1):
        if line.strip():
            try:
                record = _loaded(line)
            except Refused as refusal:
                raise Refused(refusal.reason, f"line {number}") from None
            _record(record, pieces)
    return Head("application/jsonl")


def _loaded(text: str) -> Any:
    try:
        # Numbers stay as they are written.
        return json.loads(text.lstrip("\ufeff"), parse_float=str, parse_int=str, object_pairs_hook=_with_all_values)
    except RecursionError:
        raise Refused(Reason.TOO_DEEP) from None
    except ValueError:
        raise Refused(Reason.BROKEN, "it is not valid JSON") from None


class _Again(str):
    """A key that an object has already: equal to no other, so that no value of it is lost."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _with_all_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of several values a program takes for a key differs by program: each of them is text."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[_Again(key) if key in found else key] = value
    return found


def _has_marker(value: Any) -> bool:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            stack += [*one, *one.values()]
        elif isinstance(one, list):
            stack += one
        elif isinstance(one, str) and "[" in one and MARKER.search(one_line(one)):
            return True
    return False


def _walk(value: Any, pieces: Pieces, depth: int, *, in_order: bool) -> None:
    """`in_order`: nothing changes places, as it may stand between the markers of a section."""
    if isinstance(value, dict) and depth <= _HEADINGS:
        _object(list(value.items()), pieces, depth, in_order=in_order)
    elif isinstance(value, list) and value and all(not isinstance(one, dict | list) for one in value):
        for one in value:
            pieces.add(f"- {_scalar(one)}")
    elif isinstance(value, list):
        for one in value:
            _record(one, pieces)
    else:
        _record(value, pieces)


def _object(items: list[tuple[str, Any]], pieces: Pieces, depth: int, *, in_order: bool) -> None:
    """Own values first: what stands below a heading belongs to it. In order, each later one has a heading itself."""
    refuse_markers((key for key, one in items if one in ({}, [])), IN_A_NAME)
    first = list(takewhile(lambda item: not _is_nested(item[1]), items)) if in_order else items
    pieces.fields((key, _scalar(one)) for key, one in first if not _is_nested(one))
    for key, one in items[len(first) :] if in_order else items:
        if _is_nested(one) and one:
            pieces.add(key, heading=depth)
            _walk(one, pieces, depth + 1, in_order=in_order)
        elif in_order and not _is_nested(one):
            if _scalar(one).strip():
                pieces.add(key, heading=depth)
            pieces.fields([(key, _scalar(one))])


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _record(value: Any, pieces: Pieces) -> None:
    leaves = list(_leaves(value))
    refuse_markers((path for path, text in leaves if not text.strip()), IN_A_NAME)
    pairs = [(path, text) for path, text in leaves if text.strip()]
    if sum(len(path) + len(text) for path, text in pairs) <= _ROW_CHARS_MAX:
        pieces.fields((path or "value", text) for path, text in pairs)
        return
    for path, text in pairs:
        pieces.add(f"{path}: {text}" if path else text)


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """Each scalar with its path, in order; a list of scalars is one text."""
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    while stack:
        path, one, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP)
        below: list[tuple[str, Any]] = []
        if one == {}:
            yield path, ""
        elif isinstance(one, dict):
            below = [(f"{path}.{key}" if path else key, inner) for key, inner in one.items()]
        elif isinstance(one, list) and any(isinstance(inner, dict | list) for inner in one):
            below = [(f"{path}[{number}]", inner) for number, inner in enumerate(one, 1)]
        elif isinstance(one, list):
            yield path, ", ".join(_scalar(inner) for inner in one)
        else:
            yield path, _scalar(one)
        stack.extend((name, inner, depth + 1) for name, inner in reversed(below))


def _scalar(value: Any) -> str:
    """As it is written; null is nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
