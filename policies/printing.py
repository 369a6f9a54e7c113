"""How rules, links and edits look to people. Tables fit a terminal of 80 columns, and are bounded."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column
from rich.text import Text

from policies.edits import Edit
from policies.rules import Effect, RoleLink, Rule
from policies.terminal import folding, out
from policies.wording import covered, describe, rule_id

_Row = TypeVar("_Row")


def show(as_json: bool, data: Callable[[], Any], picture: Callable[[], Iterable[RenderableType]]) -> None:
    """Print `data` as JSON, or the picture that a person reads, on standard output."""
    if as_json:
        typer.echo(json.dumps(data(), indent=2, ensure_ascii=False))
        return
    console = out()
    for part in picture():
        console.print(part)


def plain(text: str) -> str:
    """What others wrote, for a terminal: one line, and no character that could move its cursor."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def counted(number: int, one: str, many: str | None = None) -> str:
    """The number with its noun: 1 rule, 2 rules."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def known_people(number: int) -> str:
    """How many were looked at: those whom policy and documents name, and anyone in each group."""
    return counted(number, "person, assistant or group", "people, assistants and groups")


def first(rows: Iterable[_Row], limit: int | None) -> list[_Row]:
    return list(islice(rows, limit))


def left_out(total: int, limit: int | None, what: str) -> Iterator[RenderableType]:
    """A line that says how many rows are not shown; nothing where all are."""
    if limit is not None and total > limit:
        yield Text(f"... and {total - limit} more {what}; --all shows them.", "dim")


@dataclass(frozen=True, slots=True)
class Indented:
    """A paragraph that keeps its distance from the margin where it wraps."""

    text: Text
    columns: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        margin = " " * self.columns
        if options.no_wrap:
            yield Text.assemble(margin, self.text)
            return
        for line in self.text.wrap(console, max(1, options.max_width - self.columns)):
            yield Text.assemble(margin, line)


def indented(text: Text | str, columns: int) -> RenderableType:
    return Indented(Text(text) if isinstance(text, str) else text, columns)


def names(values: Iterable[str], limit: int | None = 12) -> str:
    """The values in one line, of which the rest beyond `limit` is counted."""
    found = sorted(values)
    rest = [] if limit is None or len(found) <= limit else [f"{len(found) - limit} more"]
    return ", ".join([*found[:limit], *rest])


def rules_pictures(rules: Sequence[Rule], limit: int | None) -> Iterator[RenderableType]:
    if not rules:
        yield Text("No rules.")
        return
    table = folding(Column("Id", no_wrap=True), "Who", "Rule", title=counted(len(rules), "rule"))
    for rule in first(rules, limit):
        may = ("may", "green") if rule.effect is Effect.ALLOW else ("may not", "red")
        table.add_row(rule_id(rule), Text(rule.subject), Text.assemble(may, f" {rule.action} {covered(rule)}"))
    yield table
    yield from left_out(len(rules), limit, "rules")


def links_pictures(links: Sequence[RoleLink], limit: int | None) -> Iterator[RenderableType]:
    if not links:
        yield Text("No role links.")
        return
    table = folding("Member", "Has everything of", title=counted(len(links), "role link"))
    for link in first(links, limit):
        table.add_row(Text(link.member), Text(link.parent))
    yield table
    yield from left_out(len(links), limit, "role links")


def edit_pictures(edit: Edit, limit: int | None) -> Iterator[RenderableType]:
    """The lines of an edit, each with a plus or a minus."""
    lines = [("+", described(rule)) for rule in edit.add_rules]
    lines += [("-", described(rule)) for rule in edit.remove_rules]
    lines += [("+", f"{link.member} in {link.parent}") for link in edit.add_links]
    lines += [("-", f"{link.member} in {link.parent}") for link in edit.remove_links]
    for sign, line in first(lines, limit):
        yield Text(f"{sign} {line}", "green" if sign == "+" else "red")
    yield from left_out(len(lines), limit, "lines")


def described(rule: Rule) -> str:
    """The rule in words, with the id to name it by."""
    return f"{describe(rule)}  ({rule_id(rule)})"
