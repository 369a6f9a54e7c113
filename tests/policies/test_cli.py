"""The policy commands, through the command line, on a real database."""

import json
from pathlib import Path

import pytest

from policies.files.cases import read_policy_file
from tests.policies.command_line import STARTER
from tests.policies.command_line import PolicyCommand as Policy


@pytest.fixture
def policy(folder: Path) -> Policy:
    return Policy(folder)


def test_an_added_rule_is_listed_and_can_be_removed_by_its_id(policy: Policy) -> None:
    added = policy.json("add", "user:ann", "read", "--department", "hr", "--tag", "a", "--tag", "b", "--reason", "new")
    assert added["epoch"] == 1
    (rule,) = policy.json("list")["rules"]
    assert (rule["subject"], rule["department"], rule["tags"]) == ("user:ann", "hr", ["a", "b"])
    assert rule["id"] in policy.run("list").stdout
    removed = policy.json("remove", rule["id"], "--reason", "gone")
    assert (removed["epoch"], removed["removed_rules"]) == (2, [rule])
    assert policy.json("list")["rules"] == []


def test_links_are_made_and_unmade(policy: Policy) -> None:
    policy.json("link", "user:ann", "group:hr", "--reason", "joined")
    assert policy.json("list")["links"] == [{"member": "user:ann", "parent": "group:hr"}]
    policy.json("unlink", "user:ann", "group:hr", "--reason", "left")
    assert policy.json("list")["links"] == []


def test_a_dry_run_says_what_it_would_do_and_stores_nothing(policy: Policy) -> None:
    result = policy.run("add", "user:ann", "read", "--reason", "new", "--dry-run")
    assert result.exit_code == 0
    assert "user:ann may read all documents" in result.stdout
    assert "nothing was stored" in result.stdout
    assert policy.json("list") == {"tenant": "acme", "epoch": 0, "whole": True, "rules": [], "links": []}


def test_loading_a_file_twice_changes_nothing_the_second_time(policy: Policy) -> None:
    first = policy.json("load", str(STARTER))
    second = policy.json("load", str(STARTER))
    assert (first["epoch"], second["epoch"], second["added_rules"], second["added_links"]) == (1, 1, [], [])
    assert len(policy.json("list")["rules"]) == len(first["added_rules"]) > 10


def test_a_file_whose_cases_fail_is_not_loaded(policy: Policy, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(STARTER.read_text().replace("effect: deny", "effect: allow"))
    result = policy.run("load", str(broken))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cases fail" in result.stderr
    assert policy.json("list")["epoch"] == 0


def test_a_denied_check_exits_with_4_and_an_allowed_one_with_0(policy: Policy) -> None:
    policy.json("load", str(STARTER))
    denied = policy.run("check", "felix", "read", "board-paper")
    assert (denied.exit_code, "denied" in denied.stdout) == (4, True)
    allowed = policy.run("check", "frances", "read", "board-paper")
    assert (allowed.exit_code, "finance-head" in allowed.stdout) == (0, True)
    both = policy.run("check", "frances", "read", "board-paper", "--assistant", "desk", "--json")
    assert (both.exit_code, json.loads(both.stdout)["allowed"]) == (4, False)
    vouched = policy.json("check", "user:new", "read", "handbook", "--group", "staff")
    assert vouched["rule"]["subject"] == "role:employee"


def test_a_check_of_an_unknown_document_fails_without_a_decision(policy: Policy) -> None:
    result = policy.run("check", "ann", "read", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no document 'nowhere'" in result.stderr


def test_a_plan_shows_what_the_search_will_be_told(policy: Policy) -> None:
    policy.json("load", str(STARTER))
    shown = policy.json("plan", "frances", "--assistant", "desk")
    assert [grant["subject"] for grant in shown["grants"]] == ["user:frances", "assistant:desk"]
    assert "finance" in policy.run("plan", "frances").stdout
    assert policy.json("plan", "nobody")["plan"] == "deny_all"
    assert "nothing" in policy.run("plan", "nobody").stdout


def test_cases_are_run_without_a_database(tmp_path: Path) -> None:
    nowhere = Policy(Path("/proc") / tmp_path.name)
    result = nowhere.run("test", str(STARTER))
    assert result.exit_code == 0
    cases = len(read_policy_file(STARTER).cases)
    assert cases >= 25
    assert f"{cases} of {cases} cases hold" in result.stdout


def test_a_failing_case_exits_with_1_and_says_why(policy: Policy, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(STARTER.read_text().replace("effect: deny", "effect: allow"))
    result = policy.run("test", str(STARTER), str(broken))
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert json.loads(policy.run("test", str(broken), "--json").stdout)["failed"] >= 2


def test_a_file_without_cases_does_not_pass(policy: Policy, tmp_path: Path) -> None:
    """A test run that tested nothing must not turn a pipeline green."""
    empty = tmp_path / "empty.yaml"
    empty.write_text("rules:\n  - {subject: group:hr, action: read, department: hr}\n")
    result = policy.run("test", str(empty))
    assert result.exit_code == 1
    assert "no cases" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("add", "ann", "read", "--reason", "x"),
        ("add", "user:ann", "peruse", "--reason", "x"),
        ("add", "user:ann", "read", "--level", "top", "--reason", "x"),
        ("add", "user:ann", "read", "--deny", "--level", "internal", "--reason", "x"),
        ("add", "user:ann", "read", "--reason", " "),
        ("add", "user:ann", "read"),
        ("link", "user:ann", "user:ben", "--reason", "x"),
        ("unlink", "user:ann", "role:r", "--reason", "x"),
        ("remove", "0123456789", "--reason", "x"),
        ("check", "ann", "peruse", "handbook"),
        ("plan", "a,b"),
        ("test", "absent.yaml"),
    ],
    ids=" ".join,
)
def test_misuse_exits_with_2_and_one_clear_message(words: tuple[str, ...], policy: Policy) -> None:
    result = policy.run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "rror" in result.stderr
    assert "Traceback" not in result.stderr
