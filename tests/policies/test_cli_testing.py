"""`policy test` in a pipeline: green only when something was tested, and enough of it."""

from pathlib import Path

import pytest

from tests.policies.command_line import PolicyCommand

POLICY = """
rules:
  - {subject: role:staff, action: read, level: internal}
  - {subject: group:hr, action: read, department: hr}
  - {subject: role:out, action: read, effect: deny}
links:
  - {member: group:hr, parent: role:staff}
  - {member: user:ann, parent: group:hr}
documents:
  memo: {department: it, level: internal}
  plan: {department: it, level: secret}
cases:
  - {who: user:ann, action: read, document: memo, expected: allow, rule: {subject: role:staff}, why: All read it.}
  - {who: user:ann, action: read, document: plan, expected: deny, rule: none, why: Nobody reads it.}
"""


@pytest.fixture
def policy(folder: Path) -> PolicyCommand:
    return PolicyCommand(folder)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def test_coverage_names_what_no_case_exercises(policy: PolicyCommand, file: Path) -> None:
    (tested,) = policy.json("test", str(file), "--coverage")["files"]
    found = tested["coverage"]
    assert (found["rules"], round(found["rules_percent"], 1), found["links_percent"]) == (3, 33.3, 100.0)
    assert {rule["subject"] for rule in found["unexercised_rules"]} == {"group:hr", "role:out"}
    assert found["never_refused"] == ["role:out"]
    said = policy.run("test", str(file), "--coverage", expect=0).stdout
    assert "33.3 % of 3 rules, 100 % of 2 role links" in said
    assert "No case exercises this rule: role:out may not read all documents" in said
    assert "Exercised" not in policy.run("test", str(file), expect=0).stdout


def test_too_little_coverage_fails_and_enough_passes(policy: PolicyCommand, file: Path) -> None:
    refused = policy.run("test", str(file), "--fail-under", "34", expect=1)
    assert "33.3 % of the rules, and 34 % are asked for" in refused.stderr
    policy.run("test", str(file), "--fail-under", "33", expect=0)
    policy.run("test", str(file), "--fail-under", "101", expect=2)


def test_almost_all_is_not_shown_as_all(policy: PolicyCommand, tmp_path: Path) -> None:
    file, tags = tmp_path / "many.yaml", [f"t{number}" for number in range(1100)]
    rules = [f"  - {{subject: user:ann, action: read, tags: [{tag}]}}\n" for tag in tags]
    document = f"{{department: it, level: public, tags: [{', '.join(tags[1:])}]}}"
    case = f"  - {{who: user:ann, action: read, document: {document}, expected: allow, why: x}}\n"
    file.write_text("".join(["rules:\n", *rules, "cases:\n", case]))
    assert "99.9 % of 1100 rules" in policy.run("test", str(file), "--coverage", expect=0).stdout
    policy.run("test", str(file), "--fail-under", "100", expect=1)


def test_a_failure_shows_the_rule_that_was_expected_and_the_one_that_decided(policy: PolicyCommand, file: Path) -> None:
    file.write_text(POLICY.replace("rule: {subject: role:staff}", "rule: {subject: group:hr, tags: [b, a]}"))
    said = policy.run("test", str(file), expect=1).stdout
    assert "Expected to decide: a rule with subject group:hr, tags a and b" in said
    assert "But: not what was expected decided, but: role:staff may read all documents up to internal" in said
    (tested,) = policy.json("test", str(file), expect=1)["files"]
    failed, held = tested["cases"]
    assert (failed["passed"], held["passed"]) == (False, True)
    assert failed["expected_rule"] == {"subject": "group:hr", "tags": ["a", "b"]}
    assert [rule["subject"] for rule in failed["deciding_rules"]] == ["role:staff"]
    assert held["expected_rule"] == "none"
