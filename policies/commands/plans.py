"""A plan as tables: what somebody's searches are filtered by."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from policies.plan import Clause, DenyAll, Grant, Plan
from policies.printing import first, left_out, names
from policies.rules import Level
from policies.terminal import folding


def plan_pictures(compiled: Plan, limit: int | None) -> Iterator[RenderableType]:
    if isinstance(compiled, DenyAll):
        yield Text.assemble(("nothing", "bold red"), ": ", compiled.reason)
        return
    if len(compiled.grants) > 1:
        yield Text("A document must be open to all of these:")
    for grant in compiled.grants:
        yield _grant(grant, limit)
        yield from left_out(len(grant.allow) + len(grant.deny), limit, "conditions")


def _grant(grant: Grant, limit: int | None) -> Table:
    table = folding("", "Departments", "Level", "Only", title=grant.subject)
    clauses = [("may", "green", clause) for clause in grant.allow] + [("may not", "red", one) for one in grant.deny]
    for word, style, clause in first(clauses, limit):
        departments = "all" if clause.departments is None else _named(clause.departments, limit)
        level = "any" if clause.max_level == max(Level) else f"up to {clause.max_level.name.lower()}"
        only = "; ".join(_restrictions(clause, limit))
        table.add_row(Text(word, style), Text(departments), level, Text(only))
    through = _named(grant.closure - {grant.subject}, limit) or "nothing"
    walls = _named(grant.compartments, limit) or "no compartment"
    table.caption = Text(f"through {through}; holds {walls}")
    table.caption_justify = "left"
    return table


def _restrictions(clause: Clause, limit: int | None) -> Iterator[str]:
    if clause.tags:
        yield f"tagged {' and '.join(sorted(clause.tags))}"
    if clause.owner is not None:
        yield f"owned by {clause.owner}"
    if clause.documents is not None:
        yield f"documents {_named(clause.documents, limit)}"
    if clause.shared_with is not None:
        yield "shared with one of the names below"


def _named(values: Iterable[str], limit: int | None) -> str:
    return names(values, None if limit is None else 12)
