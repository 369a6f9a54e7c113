"""Rows of a sheet that stand below no names: pairs of a form, and records of a table without a header."""

import re
from collections.abc import Mapping
from itertools import pairwise

from ingestion.parse.cleaning import marker_in
from ingestion.parse.table import is_value

_AMOUNT = re.compile(r"[-+(]?[€$£]?\s?\d[\d.,' ]*\)?(?:\s?[€$£]|\s?[A-Z]{3})?")
"""A number, with its currency at most. Shares, days and dates name columns too: `19%`, `30 days`, `31.12.2025`."""
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}(?:\1\d{1,4})?")


def form_line(row: Mapping[int, str]) -> list[str]:
    """`Name: value` for each pair, where a row is nothing but names that end in a colon, each with its value."""
    texts = [text.strip() for text in row.values()]
    names, values = texts[::2], texts[1::2]
    if len(names) != len(values) or marker_in(texts):
        return []
    if not all(name.endswith(":") for name in names) or any(value.endswith(":") for value in values):
        return []
    return [f"{name} {value}" for name, value in zip(names, values, strict=True)]


def is_record(row: Mapping[int, str], below: Mapping[int, str], after_record: bool) -> bool:
    """Whether a row holds amounts, in the columns where the row below it, or the one before, has values too.

    Names of columns are words, years, dates; numbers only where they rise from one to the next, as sizes and hours do.
    """
    amounts = [column for column, text in row.items() if _is_amount(text)]
    if len(row) < 2 or not amounts or marker_in(row.values()) or _rise([row[column] for column in amounts]):
        return False
    both = row.keys() & below.keys()
    alike = all(is_value(row[column]) == is_value(below[column]) for column in both)
    return after_record or (alike and not both.isdisjoint(amounts))


def labelled(row: Mapping[int, str]) -> list[str]:
    """Its cells; the first, where it is of words, names what stands beside it."""
    first, *others = (text.strip() for text in row.values())
    if is_value(first) or ": " in first or not others:
        return [first, *others]
    return [f"{first.rstrip(':')}: {others[0]}", *others[1:]]


def _is_amount(text: str) -> bool:
    text = text.strip()
    return is_value(text) and _AMOUNT.fullmatch(text) is not None and _DATE.fullmatch(text) is None


def _rise(texts: list[str]) -> bool:
    numbers = [int(text) for text in texts if re.fullmatch(r"\d{1,9}", text.strip())]
    return len(texts) > 1 and len(numbers) == len(texts) and all(a < b for a, b in pairwise(numbers))
