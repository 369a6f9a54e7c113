"""Where commands print, and tables of which nothing is cut off. A terminal has a width; a pipe or a file has none."""

import sys
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.table import Column, Table

_NO_LIMIT = 1_000_000
"""Columns. Rich makes a table as wide as what is in it, and no wider than this."""


def out() -> Console:
    """For data: standard output."""
    return _console(sys.stdout)


def talk() -> Console:
    """For everything else: standard error."""
    return _console(sys.stderr)


def folding(*columns: Column | str, title: str | None = None) -> Table:
    """A table whose cells fold where they are too long for the terminal, but those of `no_wrap` columns."""
    made = Table(*columns, title=title, title_justify="left")
    for column in made.columns:
        column.overflow = "fold"
    return made


def pairs(rows: Iterable[tuple[str, str]], title: str | None = None) -> Table:
    """Names and values, one pair a line, without lines between them."""
    made = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False, box=None)
    made.title, made.title_justify = title, "left"
    for name, value in rows:
        made.add_row(name, value)
    return made


def _console(file: TextIO) -> Console:
    made = Console(file=file, highlight=False)
    if not made.is_terminal:
        made.width = _NO_LIMIT
    return made
