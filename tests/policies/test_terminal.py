"""Tables of every command: nothing of a cell is cut off, on a terminal of 80 columns or in a pipe."""

from collections.abc import Callable

import pytest
from rich.table import Column, Table

from policies.terminal import folding, out, pairs, talk

LONG = "x" * 200
ID = f"doc_{'0' * 32}"


def of_columns() -> Table:
    table = folding(Column("document", no_wrap=True), "path", "why", title="failed")
    table.add_row(ID, LONG, "the file is encrypted; save it without a password")
    return table


def of_pairs() -> Table:
    return pairs([("document", ID), ("path", LONG)], title="one")


@pytest.fixture(params=[of_columns, of_pairs])
def table(request: pytest.FixtureRequest) -> Table:
    make: Callable[[], Table] = request.param
    return make()


def test_a_pipe_has_each_row_in_one_line(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    out().print(table)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "x" in line)
    assert LONG in line


def test_a_sentence_for_a_pipe_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    talk().print("a word " * 40)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_terminal_of_80_columns_shows_all_of_each_cell(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "TERM": "dumb", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    out().print(table)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert (shown.count("x"), ID in shown, "…" in shown) == (200, True, False)
