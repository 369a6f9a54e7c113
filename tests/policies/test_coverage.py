"""What the cases of a policy file exercise, and that the templates' cases exercise every rule."""

from pathlib import Path

import pytest

import policies
from policies.files.cases import PolicyFile, read_policy_file, read_policy_text, run_cases
from policies.files.coverage import Coverage, coverage
from policies.files.export import export_policy
from policies.rules import RoleLink
from policies.wording import describe

TEMPLATES = sorted((Path(policies.__file__).parent / "templates").glob("*.yaml"))
by_name = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)

POLICY = """
rules:
  - {subject: role:staff, action: [read, delete], level: internal}
  - {subject: group:hr, action: read, department: hr}
  - {subject: role:out, action: read, effect: deny}
links:
  - {member: group:hr, parent: role:staff}
  - {member: user:ann, parent: group:hr}
  - {member: user:out, parent: group:hr}
  - {member: user:out, parent: role:out}
documents:
  memo: {department: hr, level: internal}
  file: {department: hr, level: restricted}
  plan: {department: it, level: restricted}
cases:
"""
READS_FILE = "  - {who: user:ann, action: read, document: file, expected: allow, why: x}\n"
READS_MEMO = "  - {who: user:ann, action: read, document: memo, expected: allow, why: x}\n"
NOT_PLAN = "  - {who: user:ann, action: read, document: plan, expected: deny, why: x}\n"
OUT = "  - {who: user:out, action: read, document: memo, expected: deny, why: x}\n"
DELETES = "  - {who: user:ann, action: delete, document: memo, expected: allow, why: x}\n"


def covered(*cases: str) -> Coverage:
    file = read_policy_text(POLICY + ("".join(cases) or "  []"), "text")
    return coverage(file, run_cases(file))


def missing(found: Coverage) -> list[str]:
    return [describe(rule) for rule in found.unexercised_rules]


def test_a_policy_without_cases_exercises_nothing() -> None:
    found = covered()
    assert (found.rules, found.rules_percent, found.links, found.links_percent) == (4, 0.0, 4, 0.0)
    assert found.never_permitted == ("group:hr", "role:staff"), "denials alone cannot permit"
    assert found.never_refused == ("group:hr", "role:out", "role:staff")


def test_a_policy_without_lines_is_exercised_in_full() -> None:
    file = read_policy_text("", "text")
    found = coverage(file, run_cases(file))
    assert (found.rules_percent, found.links_percent, found.never_refused) == (100.0, 100.0, ())


def test_a_rule_is_exercised_by_a_case_that_it_decides() -> None:
    found = covered(READS_FILE)
    assert found.rules_percent == 25.0
    assert "group:hr may read all documents of hr" not in missing(found)
    assert found.unexercised_links == (
        RoleLink("group:hr", "role:staff", "cases"),
        RoleLink("user:out", "group:hr", "cases"),
        RoleLink("user:out", "role:out", "cases"),
    )


def test_every_rule_that_decides_alike_is_exercised_with_its_way() -> None:
    found = covered(READS_MEMO)
    assert missing(found) == [
        "role:staff may delete all documents up to internal",
        "role:out may not read all documents",
    ]
    assert (found.rules_percent, found.links_percent) == (50.0, 50.0)


def test_a_denial_exercises_the_denying_rule_and_no_allowing_one() -> None:
    found = covered(OUT)
    assert found.rules_percent == 25.0
    assert "role:out may not read all documents" not in missing(found)
    assert found.never_refused == ()


def test_a_default_denial_exercises_no_rule_but_refuses_the_roles_held() -> None:
    found = covered(NOT_PLAN)
    assert (found.rules_percent, found.links_percent) == (0.0, 0.0)
    assert found.never_refused == ("role:out",)


def test_a_role_is_permitted_only_through_itself() -> None:
    assert covered(READS_FILE).never_permitted == ("role:staff",)
    assert covered(READS_MEMO).never_permitted == ()


def test_everything_can_be_exercised() -> None:
    found = covered(READS_FILE, READS_MEMO, NOT_PLAN, OUT, DELETES)
    assert (found.rules_percent, missing(found), found.never_permitted, found.never_refused) == (100.0, [], (), ())
    assert found.unexercised_links == (RoleLink("user:out", "group:hr", "cases"),), "the denial needs no group"


@by_name
def test_the_cases_of_a_template_exercise_every_rule(path: Path) -> None:
    file = read_policy_file(path)
    found = coverage(file, run_cases(file))
    assert missing(found) == []
    assert found.links_percent >= 95
    assert (found.never_permitted, found.never_refused) == ((), ())


@by_name
def test_no_rule_of_a_template_can_go_without_a_case_that_fails(path: Path) -> None:
    file = read_policy_file(path)
    rules, links = file.rules_in("cases"), file.links_in("cases")
    results = run_cases(file)
    unnoticed = []
    for gone in rules:
        lines = read_policy_text(export_policy([rule for rule in rules if rule != gone], links), "text").rules
        decided = [result.case for result in results if any(gone in found.rules for found in result.outcomes)]
        without: PolicyFile = file.model_copy(update={"rules": lines, "cases": decided})
        if all(result.passed for result in run_cases(without)):
            unnoticed.append(describe(gone))
    assert unnoticed == []
