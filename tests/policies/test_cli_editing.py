"""Edits by the command line: whole batches, tried out before they are saved, and nothing by accident."""

import json
from pathlib import Path
from typing import Any

import pytest

from policies.rules import Attributes, Level
from tests.policies.command_line import STARTER, PolicyCommand

WALL = frozenset({"compartment:merger"})
DOCUMENTS = (
    Attributes("acme", "handbook", "hr", Level.INTERNAL),
    Attributes("acme", "wages", "hr", Level.RESTRICTED),
    Attributes("acme", "merger-plan", "law", Level.SECRET, compartments=WALL),
    Attributes("acme", "trap", "law", Level.SECRET, frozenset({"canary"})),
)
BATCH = """
add_rules:
  - {subject: role:hr, action: [read, delete], department: hr, level: internal}
add_links:
  - {member: user:ann, parent: role:hr}
"""
EVERYTHING = ("add", "user:eve", "read")


@pytest.fixture
def policy(folder: Path) -> PolicyCommand:
    return PolicyCommand(folder, DOCUMENTS)


def written(folder: Path, text: str) -> str:
    (folder / "edit.yaml").write_text(text)
    return str(folder / "edit.yaml")


def lines(policy: PolicyCommand) -> tuple[set[str], set[str]]:
    listed = policy.json("list")
    rules = {f"{rule['subject']} {rule['action']} {rule['department']}" for rule in listed["rules"]}
    return rules, {f"{link['member']} {link['parent']}" for link in listed["links"]}


def test_a_batch_is_saved_as_one_version_and_says_whom_it_changed_what(policy: PolicyCommand, tmp_path: Path) -> None:
    result = policy.run("edit", written(tmp_path, BATCH), "--reason", "start", expect=0)
    assert "The policy of acme is at version 1." in result.stdout
    assert "1 gains 2 rights on documents (a higher level for 1)" in result.stdout
    assert lines(policy) == ({"role:hr read hr", "role:hr delete hr"}, {"user:ann role:hr"})


def test_rules_are_removed_by_id_or_written_out(policy: PolicyCommand, tmp_path: Path) -> None:
    policy.save("edit", written(tmp_path, BATCH))
    (read,) = [rule["id"] for rule in policy.json("list", "--action", "read")["rules"]]
    removal = f"""
remove_rules:
  - "{read}"
  - {{subject: role:hr, action: delete, department: hr, level: internal}}
remove_links:
  - {{member: user:ann, parent: role:hr}}
"""
    removed = policy.json("edit", written(tmp_path, removal), "--reason", "gone")
    assert (removed["epoch"], len(removed["removed_rules"]), len(removed["removed_links"])) == (2, 2, 1)
    assert lines(policy) == (set(), set())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("remove_rules: [nothing]", "has the id 'nothing'"),
        ("remove_links: [{member: user:ann, parent: role:hr}]", "not part of the policy"),
        ("add_links: [{member: ann, parent: role:hr}]", "add_links.0: subject 'ann'"),
        ("add_rules: [{subject: user:ann, action: peruse}]", "add_rules.0: action 'peruse'"),
        ("add_rules: [{subject: user:ann}]", "add_rules.0.action"),
        ("rules: []", "rules: Extra inputs"),
        ("add_rules: {a: &x 1, b: *x}", "edit.yaml:"),
        ("", "Nothing to change"),
    ],
)
def test_a_batch_that_cannot_be_applied_changes_nothing(
    text: str, complaint: str, policy: PolicyCommand, tmp_path: Path
) -> None:
    good = "add_rules:\n  - {subject: role:hr, action: read}\n" if text.startswith("remove") else ""
    result = policy.run("edit", written(tmp_path, good + text), "--reason", "x", expect=2 if text else 0)
    assert complaint in (result.stderr if text else result.stdout)
    assert policy.json("list")["epoch"] == 0


def test_simulate_is_a_dry_run_of_the_same_edit_and_needs_no_reason(policy: PolicyCommand, tmp_path: Path) -> None:
    file = written(tmp_path, BATCH)
    simulated = policy.json("simulate", file)
    assert simulated == policy.json("edit", file, "--dry-run")
    assert (simulated["stored"], simulated["epoch"], policy.json("list")["epoch"]) == (False, 1, 0)
    saved = policy.json("edit", file, "--reason", "start")
    assert saved["simulation"] == simulated["simulation"]


def test_a_dry_run_names_who_gains_and_loses_what_and_marks_what_is_new(policy: PolicyCommand, tmp_path: Path) -> None:
    policy.save("edit", written(tmp_path, BATCH))
    policy.save("add", "role:hr", "read", "--document", "merger-plan")
    shown = policy.run("link", "user:ann", "compartment:merger", "--dry-run", expect=0).stdout
    assert "user:ann gains 1 document to read, up to secret; LEVEL RISES from internal" in shown
    assert "OPENS compartment:merger" in shown
    assert "merger-plan (law, secret, behind compartment:merger)" in shown
    lost = policy.run("unlink", "user:ann", "role:hr", "--dry-run", expect=0).stdout
    assert "user:ann loses 1 document to read" in lost
    assert "LEVEL RISES" not in lost


@pytest.mark.parametrize("words", [EVERYTHING, ("link", "user:ann", "role:all")], ids=["rule", "link"])
def test_a_canary_stays_closed_until_somebody_insists(words: tuple[str, ...], policy: PolicyCommand) -> None:
    policy.save("add", "role:all", "read", "--expose-canaries")
    before = policy.json("list")["epoch"]
    tried = policy.run(*words, "--dry-run", expect=4)
    assert "could read trap, which nobody may" in tried.stdout
    assert "--expose-canaries" in tried.stderr
    refused = policy.run(*words, "--reason", "x", expect=4)
    assert (refused.stdout, "canary trap" in refused.stderr) == ("", True)
    assert policy.json("list")["epoch"] == before
    insisted = policy.run(*words, "--reason", "audit of canaries", "--expose-canaries", expect=0)
    assert "could read trap" in insisted.stdout


def test_an_edit_for_another_version_fails(policy: PolicyCommand) -> None:
    policy.save("link", "user:ann", "role:hr", "--expect-epoch", "0")
    late = policy.run("link", "user:ben", "role:hr", "--expect-epoch", "0", "--reason", "x", expect=1)
    assert "at version 1" in late.stderr
    policy.save("link", "user:ben", "role:hr", "--expect-epoch", "1")


def test_a_reason_that_would_break_a_line_is_misuse(policy: PolicyCommand) -> None:
    for reason in ("one\ntwo", "red \x1b[31m", ""):
        policy.run("link", "user:ann", "role:hr", "--reason", reason, expect=2)
    policy.run("link", "user:ann", "role:hr", "--reason", "Ärztin, joined 1 May", expect=0)


def test_an_export_imported_is_no_change_and_brings_the_policy_back(policy: PolicyCommand, tmp_path: Path) -> None:
    policy.save("load", str(STARTER), "--expose-canaries")
    file = str(tmp_path / "policy.yaml")
    said = policy.run("export", "-o", file, expect=0)
    assert (said.stdout, "at version 1" in said.stderr) == ("", True)
    assert policy.run("export").stdout == Path(file).read_text()
    assert policy.json("import", file, "--replace", "--reason", "same")["epoch"] == 1
    before = lines(policy)
    policy.save("unlink", "user:felix", "group:finance")
    policy.save("add", "user:felix", "delete")
    back = policy.json("import", file, "--replace", "--reason", "back")
    assert (back["epoch"], len(back["added_links"]), len(back["removed_rules"])) == (4, 1, 1)
    assert lines(policy) == before


def test_an_import_removes_lines_only_when_told_to_replace(policy: PolicyCommand, tmp_path: Path) -> None:
    policy.save("link", "user:ann", "role:hr")
    empty = tmp_path / "empty.yaml"
    empty.write_text("rules: []\n")
    refused = policy.run("import", str(empty), "--reason", "x", expect=2)
    assert "--replace" in refused.stderr
    assert policy.json("list")["epoch"] == 1
    assert policy.json("import", str(empty), "--replace", "--dry-run")["removed_links"]
    policy.save("import", str(empty), "--replace")
    assert lines(policy) == (set(), set())


def test_an_export_that_cannot_be_written_fails(policy: PolicyCommand, tmp_path: Path) -> None:
    result = policy.run("export", "-o", str(tmp_path / "nowhere" / "policy.yaml"), expect=1)
    assert (result.stdout, "cannot be written" in result.stderr) == ("", True)


def test_json_of_an_export_is_the_list(policy: PolicyCommand) -> None:
    policy.save("link", "user:ann", "role:hr")
    exported: Any = json.loads(policy.run("export", "--json", expect=0).stdout)
    assert exported == policy.json("list")


def test_the_list_can_be_narrowed(policy: PolicyCommand, tmp_path: Path) -> None:
    policy.save("edit", written(tmp_path, BATCH))
    policy.save("add", "user:ben", "read", "--department", "it")
    ben = policy.json("list", "--subject", "user:ben")
    assert (len(ben["rules"]), ben["links"]) == (1, [])
    assert len(policy.json("list", "--subject", "role:hr")["links"]) == 1
    deletes = policy.json("list", "--action", "delete")
    assert ([rule["subject"] for rule in deletes["rules"]], deletes["links"]) == (["role:hr"], [])
    assert len(policy.json("list", "--department", "it")["rules"]) == 1
    assert "No rules." in policy.run("list", "--department", "law").stdout
