"""How the policy commands show things: tables for people, plain JSON for machines."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from policies.cases import CaseResult
from policies.check import Decision
from policies.edits import Edit
from policies.plan import Clause, Conditions, DenyAll, Grant, Plan
from policies.rules import Effect, Level, RoleLink, Rule
from policies.wording import covered, describe, rule_id

Json = dict[str, Any]


def show(as_json: bool, data: Json, picture: Callable[[], Iterable[RenderableType]]) -> None:
    """Print `data` as JSON, or the picture that a person reads, on standard output."""
    console = Console(soft_wrap=as_json)
    if as_json:
        console.print_json(data=data)
        return
    for part in picture():
        console.print(part)


def rules_table(rules: Sequence[Rule]) -> RenderableType:
    if not rules:
        return Text("No rules: nobody may do anything.")
    table = Table("Id", "Who", "", "Does", "To", title=f"{len(rules)} rules", title_justify="left")
    for rule in rules:
        effect = Text("may", "green") if rule.effect is Effect.ALLOW else Text("may not", "red")
        table.add_row(rule_id(rule), Text(rule.subject), effect, Text(rule.action), Text(covered(rule)))
    return table


def links_table(links: Sequence[RoleLink]) -> RenderableType:
    if not links:
        return Text("No role links.")
    table = Table("Member", "Has everything of", title=f"{len(links)} role links", title_justify="left")
    for link in links:
        table.add_row(Text(link.member), Text(link.parent))
    return table


def decision_text(decision: Decision) -> RenderableType:
    word = Text("allowed", "bold green") if decision.allowed else Text("denied", "bold red")
    return Text.assemble(word, ": ", decision.reason)


def edit_text(edit: Edit, tenant: str, epoch: int, dry_run: bool) -> RenderableType:
    if edit.empty:
        return Text(f"Nothing to change: the policy of {tenant} stays at version {epoch}.")
    lines = [f"+ {describe(rule)}  ({rule_id(rule)})" for rule in edit.add_rules]
    lines += [f"- {describe(rule)}  ({rule_id(rule)})" for rule in edit.remove_rules]
    lines += [f"+ {link.member} in {link.parent}" for link in edit.add_links]
    lines += [f"- {link.member} in {link.parent}" for link in edit.remove_links]
    end = f"would become version {epoch}; nothing was stored" if dry_run else f"is at version {epoch}"
    return Text("\n".join([*lines, f"The policy of {tenant} {end}."]))


def plan_pictures(compiled: Plan) -> Iterable[RenderableType]:
    if isinstance(compiled, DenyAll):
        yield Text.assemble(("nothing", "bold red"), ": ", compiled.reason)
        return
    if len(compiled.grants) > 1:
        yield Text("A document must be open to all of these:")
    for grant in compiled.grants:
        yield _grant_table(grant)


def cases_table(name: str, results: Sequence[CaseResult]) -> RenderableType:
    passed = sum(result.passed for result in results)
    table = Table("", "Who", "Does", "To", "Expected", "Why", title_justify="left")
    table.title = f"{name}: {passed} of {len(results)} cases hold"
    for result in results:
        case = result.case
        who = f"{case.who} via {case.assistant}" if case.assistant else case.who
        mark = Text("ok", "green") if result.passed else Text("FAILED", "bold red")
        why = case.why if result.passed else f"{case.why}\nBut: {result.decision.reason}"
        table.add_row(mark, Text(who), Text(case.action), Text(case.document), case.expected, Text(why))
    return table


def rule_json(rule: Rule) -> Json:
    return {
        "id": rule_id(rule),
        "subject": rule.subject,
        "action": rule.action,
        "department": rule.department,
        "tags": sorted(rule.tags),
        "owner": rule.owner,
        "document": rule.document,
        "level": rule.level.name.lower(),
        "effect": rule.effect.value,
    }


def link_json(link: RoleLink) -> Json:
    return {"member": link.member, "parent": link.parent}


def decision_json(decision: Decision) -> Json:
    return {
        "allowed": decision.allowed,
        "action": decision.action,
        "reason": decision.reason,
        "rule": None if decision.rule is None else rule_json(decision.rule),
        "error": decision.error,
    }


def plan_json(compiled: Plan) -> Json:
    if isinstance(compiled, DenyAll):
        return {"plan": "deny_all", "reason": compiled.reason}
    return {"plan": "conditions", "epoch": compiled.epoch, "grants": _grants_json(compiled)}


def case_json(result: CaseResult) -> Json:
    case = result.case
    return {
        "passed": result.passed,
        "who": case.who,
        "assistant": case.assistant,
        "action": case.action,
        "document": case.document,
        "expected": case.expected,
        "why": case.why,
        "decision": decision_json(result.decision),
    }


def _grants_json(conditions: Conditions) -> list[Json]:
    return [
        {
            "subject": grant.subject,
            "allow": [_clause_json(clause) for clause in grant.allow],
            "deny": [_clause_json(clause) for clause in grant.deny],
            "closure": sorted(grant.closure),
            "compartments": sorted(grant.compartments),
        }
        for grant in conditions.grants
    ]


def _clause_json(clause: Clause) -> Json:
    return {
        "departments": _sorted(clause.departments),
        "tags": sorted(clause.tags),
        "owner": clause.owner,
        "documents": _sorted(clause.documents),
        "shared_with": _sorted(clause.shared_with),
        "max_level": clause.max_level.name.lower(),
    }


def _grant_table(grant: Grant) -> Table:
    table = Table("", "Departments", "Level", "Only", title=grant.subject, title_justify="left")
    for word, style, clauses in (("may", "green", grant.allow), ("may not", "red", grant.deny)):
        for clause in clauses:
            departments = "all" if clause.departments is None else ", ".join(sorted(clause.departments))
            level = "any" if clause.max_level == max(Level) else f"up to {clause.max_level.name.lower()}"
            table.add_row(Text(word, style), Text(departments), level, Text("; ".join(_restrictions(clause))))
    names = ", ".join(sorted(grant.closure - {grant.subject})) or "nothing"
    walls = ", ".join(sorted(grant.compartments)) or "no compartment"
    table.caption = f"through {names}; holds {walls}"
    table.caption_justify = "left"
    return table


def _restrictions(clause: Clause) -> Iterable[str]:
    if clause.tags:
        yield f"tagged {' and '.join(sorted(clause.tags))}"
    if clause.owner is not None:
        yield f"owned by {clause.owner}"
    if clause.documents is not None:
        yield f"documents {', '.join(sorted(clause.documents))}"
    if clause.shared_with is not None:
        yield "shared with one of the names below"


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
