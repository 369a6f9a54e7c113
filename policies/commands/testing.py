"""`policy test`: decide the cases of policy files, and say what they exercise. Needs no database."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from policies.commands.options import AsJson, Files, ShowAll, rows_shown
from policies.commands.running import FAILED, clear_errors
from policies.files.cases import CaseResult, run_cases
from policies.files.coverage import Coverage, coverage
from policies.files.file_format import ExpectedRule
from policies.files.policy_file import read_policy_file
from policies.printing import counted, first, left_out, plain, show
from policies.rules import Level, Rule
from policies.shapes import Json, decision_json, link_json, rule_json
from policies.terminal import folding
from policies.wording import describe


@dataclass(frozen=True, slots=True)
class Tested:
    """What came out of one file. `covered` is None where nobody asked."""

    name: str
    results: tuple[CaseResult, ...]
    covered: Coverage | None

    @property
    def failed(self) -> int:
        return sum(not result.passed for result in self.results)

    def problems(self, fail_under: float) -> Iterator[str]:
        """What keeps the run from being green, apart from failed cases."""
        if not self.results:
            yield f"{self.name} has no cases, so nothing was tested. Write some under `cases:`."
        if self.covered is not None and self.covered.rules_percent < fail_under:
            yield (
                f"{self.name}: its cases exercise {_percent(self.covered.rules_percent)} of the rules, "
                f"and {fail_under:g} % are asked for."
            )


def test(
    files: Files,
    coverage: Annotated[bool, typer.Option("--coverage", help="Show which rules and links no case exercises.")] = False,
    fail_under: Annotated[
        float | None,
        typer.Option("--fail-under", min=0, max=100, metavar="PERCENT", help="Fail if fewer rules are exercised."),
    ] = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Decide the cases written in policy files, on the rules of each file alone. Exit code 1 when one fails."""
    wanted = coverage or fail_under is not None
    with clear_errors():
        tested = [_test(file, wanted) for file in files]
    show(as_json, partial(_json, tested), partial(_pictures, tested, rows_shown(show_all)))
    problems = [problem for one in tested for problem in one.problems(fail_under or 0)]
    for problem in problems:
        typer.echo(f"error: {plain(problem)}", err=True)
    if problems or any(one.failed for one in tested):
        raise typer.Exit(FAILED)


def _test(path: Path, covered: bool) -> Tested:
    file = read_policy_file(path)
    results = run_cases(file)
    return Tested(str(path), results, coverage(file, results) if covered else None)


def _pictures(tested: Sequence[Tested], limit: int | None) -> Iterator[RenderableType]:
    for one in tested:
        yield from _cases(one, limit)
        if one.covered is not None:
            yield from _covered(one.covered, limit)


def _cases(one: Tested, limit: int | None) -> Iterator[RenderableType]:
    """All cases in a table, those that failed first."""
    table = folding("", "Case", "Expected", "Why")
    table.title = Text(f"{plain(one.name)}: {len(one.results) - one.failed} of {len(one.results)} cases hold")
    for result in first(sorted(one.results, key=lambda result: result.passed), limit):
        case = result.case
        who = [case.who, *sorted(case.groups), *([f"via {case.assistant}"] if case.assistant else [])]
        mark = Text("ok", "green") if result.passed else Text("FAILED", "bold red")
        asked = Text(f"{' '.join(who)} {case.action} {plain(case.document)}")
        table.add_row(mark, asked, case.expected, Text("\n".join(_told(result))))
    yield table
    yield from left_out(len(one.results), limit, "cases")


def _told(result: CaseResult) -> Iterator[str]:
    yield plain(result.case.why)
    if result.failure is not None:
        if result.case.rule is not None:
            yield f"Expected to decide: {_expected_text(result.case.rule)}"
        yield f"But: {plain(result.failure)}"


def _covered(found: Coverage, limit: int | None) -> Iterator[RenderableType]:
    yield Text(
        f"Exercised: {_percent(found.rules_percent)} of {counted(found.rules, 'rule')}, "
        f"{_percent(found.links_percent)} of {counted(found.links, 'role link')}."
    )
    gaps = {
        "No case exercises this rule": [describe(rule) for rule in found.unexercised_rules],
        "No case goes over this role link": [f"{link.member} in {link.parent}" for link in found.unexercised_links],
        "No case is allowed through it": found.never_permitted,
        "No case refuses anybody who has it": found.never_refused,
    }
    for title, lines in gaps.items():
        for line in first(lines, limit):
            yield Text(f"  {title}: {line}", "yellow")
        yield from left_out(len(lines), limit, "of these")


def _percent(value: float) -> str:
    """Rounded down: only all is 100 %."""
    return f"{math.floor(value * 10) / 10:g} %"


def _expected_text(rule: ExpectedRule | str) -> str:
    if isinstance(rule, str):
        return "no rule" if rule == "none" else rule
    columns = _expected_columns(rule).items()
    written = (f"{name} {' and '.join(value) if isinstance(value, list) else value}" for name, value in columns)
    return f"a rule with {', '.join(written)}"


def _expected_columns(rule: ExpectedRule) -> dict[str, str | list[str]]:
    """Those that the case names, as they are written."""
    found: dict[str, str | list[str]] = {}
    for name in sorted(rule.model_fields_set):
        value = getattr(rule, name)
        if isinstance(value, Level):
            found[name] = value.name.lower()
        else:
            found[name] = sorted(value) if isinstance(value, frozenset) else str(value)
    return found


def _json(tested: Sequence[Tested]) -> Json:
    files = [
        {
            "file": one.name,
            "cases": [_case_json(result) for result in one.results],
            "coverage": None if one.covered is None else _coverage_json(one.covered),
        }
        for one in tested
    ]
    return {"failed": sum(one.failed for one in tested), "files": files}


def _case_json(result: CaseResult) -> Json:
    case = result.case
    return {
        "passed": result.passed,
        "who": case.who,
        "groups": sorted(case.groups),
        "assistant": case.assistant,
        "action": case.action,
        "document": case.document,
        "expected": case.expected,
        "expected_rule": _expected_columns(case.rule) if isinstance(case.rule, ExpectedRule) else case.rule,
        "why": case.why,
        "failure": result.failure,
        "deciding_rules": [_unnamed(rule) for found in result.deciding for rule in found.rules],
        "decision": decision_json(result.decision),
    }


def _coverage_json(found: Coverage) -> Json:
    return {
        "rules": found.rules,
        "rules_percent": found.rules_percent,
        "unexercised_rules": [_unnamed(rule) for rule in found.unexercised_rules],
        "links": found.links,
        "links_percent": found.links_percent,
        "unexercised_links": [link_json(link) for link in found.unexercised_links],
        "never_permitted": list(found.never_permitted),
        "never_refused": list(found.never_refused),
    }


def _unnamed(rule: Rule) -> Json:
    """Without the id: that depends on the tenant, and a file has none."""
    return {column: value for column, value in rule_json(rule).items() if column != "id"}
