"""Rows of a sheet that stand below no names: pairs of a form, and records of a table without a header."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ingestion.parse.cleaning import marker_in
from ingestion.parse.table import is_value, names_columns

Row = Mapping[int, str]
"""Texts by column number, none of them empty."""
_AMOUNT = re.compile(r"[-+(]?[€$£]?\s?\d[\d.,' ]*\)?(?:\s?[€$£]|\s?[A-Z]{3})?")
"""A number, with its currency at most. Shares, days and dates name columns too: `19%`, `30 days`, `31.12.2025`."""
_WHOLE = re.compile(r"[€$£]?\s?(\d{1,9}|\d{1,3}(?:,\d{3}){1,3})(?:\s?(?:[€$£]|[A-Z]{3}))?")
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}(?:\1\d{1,4})?")


def form_line(row: Row, rest: Sequence[Row], after_pair: bool) -> list[str]:
    """`Name: value` for each name that ends in a colon; empty where a row is no line of a form.

    `rest` are the rows below it; `after_pair`: whether the one before was such a line, or a record.
    """
    texts = [text.strip() for text in row.values()]
    named = [text.endswith(":") for text in texts]
    if not named[0] or all(named) or marker_in(texts):
        return []
    pairs = len(named) % 2 == 0 and all(named[::2]) and not any(named[1::2])
    if not pairs and not after_pair and not _first(rest).endswith(":"):
        return []
    joined: list[str] = []
    for text, is_name in zip(texts, named, strict=True):
        if joined and not is_name and joined[-1].endswith(":"):
            joined[-1] += f" {text}"
        else:
            joined.append(text)
    return joined


def is_record(row: Row, rest: Sequence[Row], above: Row) -> bool:
    """Whether a row, and not the one below it, is the first of a table without a header, or goes on with one.

    `above` is the row before it, where that was a line of a form or a record, else empty. Names of columns are words,
    years, dates; numbers only where they rise from one to the next, as sizes and hours do, and three at least where
    they are amounts.
    """
    if len(row) < 2 or marker_in(row.values()):
        return False
    below = rest[0] if rest else {}
    if _is_pair(row, below, bool(above)):
        return True
    header_follows = len(rest) > 1 and names_columns(below, rest[1])
    amounts = [column for column, text in row.items() if _is_amount(text)]
    goes_on = all(_is_amount(above.get(column, "")) for column in amounts)
    if not amounts or (_rise([row[column] for column in amounts]) and not goes_on):
        return False
    both = row.keys() & below.keys()
    alike = all(is_value(row[column]) == is_value(below[column]) for column in both)
    return bool(above) or header_follows or (alike and not both.isdisjoint(amounts))


def _is_pair(row: Row, below: Row, after_pair: bool) -> bool:
    """Whether a row of two cells is a name and its value: `Date` and a date, `Customer` and words after such a row."""
    if len(row) != 2 or len(below) > 2:
        return False
    name, value = row.values()
    if is_value(name):
        return False
    if after_pair:
        return not names_columns(row, below)
    return len(below) == 2 and is_value(value) and not is_value([*below.values()][1])


def labelled(row: Row) -> list[str]:
    """Its cells; the first, where it is of words, names what stands beside it."""
    first, *others = (text.strip() for text in row.values())
    if is_value(first) or ": " in first or not others:
        return [first, *others]
    return [f"{first.rstrip(':')}: {others[0]}", *others[1:]]


def _first(rows: Sequence[Row]) -> str:
    return next(iter(rows[0].values()), "").strip() if rows else ""


def _is_amount(text: str) -> bool:
    text = text.strip()
    return is_value(text) and _AMOUNT.fullmatch(text) is not None and _DATE.fullmatch(text) is None


def _rise(texts: list[str]) -> bool:
    found = [_WHOLE.fullmatch(text.strip()) for text in texts]
    numbers = [int(one[1].replace(",", "")) for one in found if one]
    plain = all(text.strip().isdigit() for text in texts)
    enough = len(texts) > (1 if plain else 2)
    return enough and len(numbers) == len(texts) and all(a < b for a, b in pairwise(numbers))
