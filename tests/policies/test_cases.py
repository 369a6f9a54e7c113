"""Policy files: the starter policy holds what its cases say, and a broken file is refused with its place."""

from pathlib import Path

import pytest

import policies
from policies.cases import InvalidPolicyFile, read_policy_file, run_cases
from policies.rules import Effect

TEMPLATES = sorted((Path(policies.__file__).parent / "templates").glob("*.yaml"))

GOOD = """
rules:
  - {subject: role:r, action: [read, delete], level: internal}
links:
  - {member: user:ann, parent: role:r}
documents:
  d: {department: hr, level: internal}
cases:
  - {who: user:ann, action: read, document: d, expected: allow, why: She may.}
  - {who: user:ben, action: read, document: d, expected: deny, why: He may not.}
"""


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_case_of_the_template_holds(path: Path) -> None:
    results = run_cases(read_policy_file(path))
    assert [f"{r.case.who} {r.case.document}: {r.decision.reason}" for r in results if not r.passed] == []
    expected = {result.case.expected for result in results}
    assert expected == {"allow", "deny"}, "a policy's cases show both answers"


def test_the_starter_policy_is_among_the_templates() -> None:
    assert "starter" in [path.stem for path in TEMPLATES]


@pytest.mark.parametrize("subject", ["role:employee", "role:finance-head", "role:assistant-general"])
def test_the_starter_policys_cases_notice_a_rule_that_is_gone(subject: str) -> None:
    (starter,) = (path for path in TEMPLATES if path.stem == "starter")
    file = read_policy_file(starter)
    without = file.model_copy(update={"rules": [line for line in file.rules if line.subject != subject]})
    assert any(not result.passed for result in run_cases(without))


def test_the_starter_policys_cases_notice_denials_that_are_gone() -> None:
    (starter,) = (path for path in TEMPLATES if path.stem == "starter")
    file = read_policy_file(starter)
    without = file.model_copy(update={"rules": [line for line in file.rules if line.effect == "allow"]})
    assert any(not result.passed for result in run_cases(without))


def test_a_file_gives_its_rules_to_any_tenant(tmp_path: Path) -> None:
    file = read_policy_file(written(tmp_path, GOOD))
    assert [(rule.tenant, rule.action) for rule in file.rules_in("acme")] == [("acme", "read"), ("acme", "delete")]
    assert [link.tenant for link in file.links_in("acme")] == ["acme"]
    assert all(rule.effect is Effect.ALLOW for rule in file.rules_in("acme"))


def test_a_case_that_comes_out_otherwise_fails(tmp_path: Path) -> None:
    results = run_cases(read_policy_file(written(tmp_path, GOOD.replace("role:r, action", "role:s, action"))))
    assert [result.passed for result in results] == [False, True]


BROKEN = {
    "not yaml": ("{", "not valid YAML"),
    "not a mapping": ("- a", "the file"),
    "an unknown key": ("rulez: []", "rulez"),
    "an unknown column": (GOOD.replace("level: internal}\nlinks", "levle: internal}\nlinks"), "rules.0.levle"),
    "a repeated key": (GOOD.replace("subject: role:r,", "effect: deny, subject: role:r, effect: allow,"), "twice"),
    "no actions": (GOOD.replace("[read, delete]", "[]"), "rules.0.action"),
    "an unknown action": (GOOD.replace("[read, delete]", "peruse"), "peruse"),
    "an unknown effect": (GOOD.replace("subject: role:r,", "effect: Deny, subject: role:r,"), "rules.0.effect"),
    "an unknown level": (GOOD.replace("level: internal}\nlinks", "level: top}\nlinks"), "top"),
    "a hostile name": (GOOD.replace("user:ann, parent", '"user:a,b", parent'), "user:a,b"),
    "a YAML truth value for a name": (GOOD.replace("department: hr", "department: no"), "documents.d.department"),
    "a YAML truth value for a tag": (GOOD.replace("department: hr", "department: hr, tags: [no]"), "tags"),
    "one tag instead of a list": (GOOD.replace("department: hr", "department: hr, tags: draft"), "tags"),
    "a case without a reason": (GOOD.replace("why: She may.", "why: ''"), "cases.0.why"),
    "a case about no document": (GOOD.replace("document: d, expected: allow", "document: x, expected: allow"), "'x'"),
    "a case of an unknown action": (GOOD.replace("who: user:ben, action: read", "who: user:ben, action: see"), "see"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_is_refused_with(name: str, tmp_path: Path) -> None:
    content, place = BROKEN[name]
    path = written(tmp_path, content)
    with pytest.raises(InvalidPolicyFile) as refusal:
        read_policy_file(path)
    assert str(path) in str(refusal.value)
    assert place in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicyFile, match=r"absent\.yaml"):
        read_policy_file(tmp_path / "absent.yaml")


def test_an_empty_file_is_a_policy_without_rules(tmp_path: Path) -> None:
    assert run_cases(read_policy_file(written(tmp_path, ""))) == ()
