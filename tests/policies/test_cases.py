"""Policy files: the templates hold what their cases say, cases say what must decide, a broken file is refused."""

import textwrap
from pathlib import Path

import pytest

import policies
from policies.files import file_format
from policies.files.cases import CaseResult, InvalidPolicyFile, read_policy_file, read_policy_text, run_cases
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


CIRCLE = "\n  - {member: role:r, parent: role:s}\n  - {member: role:s, parent: role:r}"


def about(document: str) -> str:
    return GOOD.replace("document: d, expected: deny", f"document: {document}, expected: deny")


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
    "a case with a blank reason": (GOOD.replace("why: She may.", "why: ' '"), "cases.0.why"),
    "a case of nobody": (GOOD.replace("who: user:ann, action", "action"), "say who asks"),
    "an expected rule without columns": (GOOD.replace("deny, why", "deny, rule: {}, why"), "cases.1.rule: name"),
    "an unknown way to be refused": (GOOD.replace("deny, why", "deny, rule: role:r, why"), "cases.1.rule"),
    "an expected rule of an unknown column": (GOOD.replace("deny, why", "deny, rule: {act: read}, why"), "rule.act"),
    "an expected rule left blank": (GOOD.replace("deny, why", "deny, rule: , why"), "cases.1.rule: there is no value"),
    "an allowance by no rule": (GOOD.replace("allow, why", "allow, rule: none, why"), "cases.0: rule: none"),
    "attributes without a level": (about("{department: hr}"), "cases.1.document.level"),
    "attributes that are no labels": (about('{department: "a,b", level: 1}'), "cases.1: department"),
    "a document that is neither name nor labels": (about("[d]"), "cases.1.document"),
    "an invalid rule": (GOOD.replace("subject: role:r,", "subject: r,"), "rules.0: subject 'r'"),
    "links in a circle": (GOOD.replace("links:", f"links:{CIRCLE}"), "links: The role links form a circle"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_is_refused_with(name: str, tmp_path: Path) -> None:
    content, place = BROKEN[name]
    path = written(tmp_path, content)
    with pytest.raises(InvalidPolicyFile) as refusal:
        read_policy_file(path)
    assert str(path) in str(refusal.value)
    assert place in str(refusal.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(GOOD.encode().replace(b"hr", b"\xff\xfe"))
    with pytest.raises(InvalidPolicyFile, match="UTF-8"):
        read_policy_file(path)


def test_a_text_is_held_to_the_same_rules_as_a_file() -> None:
    assert read_policy_text(GOOD, "the request") == read_policy_text(GOOD.encode(), "the request")
    with pytest.raises(InvalidPolicyFile, match=r"^the request: rules\.0\.action: "):
        read_policy_text(GOOD.replace("[read, delete]", "[]"), "the request")


def test_the_documented_example_is_a_policy_whose_case_holds() -> None:
    example = textwrap.dedent((file_format.__doc__ or "").split("\n\n")[1])
    (result,) = run_cases(read_policy_text(example, "example"))
    assert result.passed


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicyFile, match=r"absent\.yaml"):
        read_policy_file(tmp_path / "absent.yaml")


def test_an_empty_file_is_a_policy_without_rules(tmp_path: Path) -> None:
    assert run_cases(read_policy_file(written(tmp_path, ""))) == ()


EXPECTING = """
rules:
  - {{subject: role:r, action: read, department: hr, tags: [eu]}}
  - {{subject: group:g, action: read, department: hr, level: internal}}
  - {{subject: role:out, action: read, tags: [wages], effect: deny}}
  - {{subject: assistant:desk, action: read, level: internal}}
links:
  - {{member: user:ann, parent: role:r}}
  - {{member: user:ann, parent: group:g}}
  - {{member: user:out, parent: group:g}}
  - {{member: user:out, parent: role:out}}
cases:
  - {{{who}, action: read, document: {{department: hr, level: {level}, tags: [eu, wages], {labels}}}, expected: {expected}, rule: {rule}, why: x}}
"""  # noqa: E501 - a case is one line


def case(
    rule: str, who: str = "who: user:ann", level: str = "internal", labels: str = "owner: ''", expected: str = "allow"
) -> CaseResult:
    text = EXPECTING.format(who=who, level=level, labels=labels, expected=expected, rule=rule)
    (result,) = run_cases(read_policy_text(text, "text"))
    return result


OUT, STRANGER, DESK = "who: user:out", "who: user:eve", 'who: user:ann, assistant: "assistant:desk"'
DENIED, WALLED = 'denied_shares: ["role:r"]', 'compartments: ["compartment:lynx"]'


@pytest.mark.parametrize(
    ("rule", "others"),
    [
        ("{subject: role:r}", {}),
        ("{subject: group:g, level: internal, department: hr}", {}),
        ("{tags: [eu]}", {}),
        ('{subject: group:g, owner: "*", document: "*", tags: []}', {}),
        ("{subject: group:g}", {"who": 'groups: ["group:g"]'}),
        ("{subject: role:out}", {"who": OUT, "expected": "deny"}),
        ('{subject: "assistant:desk"}', {"who": DESK}),
        ("{subject: role:r}", {"who": DESK}),
        ("none", {"who": STRANGER, "expected": "deny"}),
        ("none", {"who": 'groups: ["group:other"]', "expected": "deny"}),
        ("none", {"who": DESK, "level": "secret", "expected": "deny"}),
        ("denied_share", {"labels": DENIED, "expected": "deny"}),
        ("compartment", {"labels": WALLED, "expected": "deny"}),
        ("compartment", {"labels": f"{WALLED}, {DENIED}", "expected": "deny"}),
        ("denied_share", {"labels": f"{WALLED}, {DENIED}", "expected": "deny"}),
        ("none", {"who": STRANGER, "labels": WALLED, "expected": "deny"}),
    ],
)
def test_a_case_holds_if_one_of_the_rules_that_decide_is_as_expected(rule: str, others: dict[str, str]) -> None:
    assert case(rule, **others).failure is None


@pytest.mark.parametrize(
    ("rule", "others", "decided"),
    [
        ("{subject: role:out}", {}, "role:r may read all documents of hr tagged eu"),
        ("{subject: group:g}", {"level": "secret"}, "role:r may read"),
        ("{department: '*'}", {}, "group:g may read all documents of hr up to internal; role:r may read"),
        ("{subject: role:r, tags: [eu, wages]}", {}, "role:r may read"),
        ("{subject: role:r, level: internal}", {}, "role:r may read"),
        ("{subject: group:g}", {"who": OUT, "expected": "deny"}, "role:out may not read all documents tagged wages"),
        ("none", {"who": OUT, "expected": "deny"}, "role:out may not read"),
        ("{subject: role:out}", {"who": STRANGER, "expected": "deny"}, "no rule gives the right"),
        ("none", {"labels": WALLED, "expected": "deny"}, "lacks one of the document's compartments"),
        ("none", {"labels": DENIED, "expected": "deny"}, "denied_share"),
        ("denied_share", {"labels": WALLED, "expected": "deny"}, "compartment"),
        ("denied_share", {"who": STRANGER, "labels": WALLED, "expected": "deny"}, "no rule gives the right"),
        ("{subject: role:r}", {"who": DESK, "level": "secret", "expected": "deny"}, "no rule gives the right"),
    ],
)
def test_a_case_that_something_else_decided_fails_and_says_what_did(
    rule: str, others: dict[str, str], decided: str
) -> None:
    result = case(rule, **others)
    assert not result.passed
    assert result.failure is not None
    assert decided in result.failure
    assert result.decision.allowed == (result.case.expected == "allow"), "the answer itself was as expected"


def test_a_case_that_comes_out_otherwise_fails_though_the_rule_is_as_expected() -> None:
    result = case("{subject: role:out}", who=OUT)
    assert result.failure == "role:out may not read all documents tagged wages"


def test_a_document_without_a_name_is_shown_by_its_attributes() -> None:
    assert case("none", who=STRANGER, labels=WALLED, expected="deny").case.document == (
        "hr, internal, tags eu wages, compartments compartment:lynx"
    )
