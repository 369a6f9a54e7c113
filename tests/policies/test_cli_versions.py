"""The versions of a policy: who changed what and why, what lies between two, and back again."""

from pathlib import Path

import pytest

from tests.policies.command_line import PolicyCommand


@pytest.fixture
def policy(folder: Path) -> PolicyCommand:
    """Three versions: a link, a rule, the link gone."""
    policy = PolicyCommand(folder)
    policy.run("link", "user:ann", "role:hr", "--reason", "joined", expect=0)
    policy.run("add", "role:hr", "read", "--department", "people", "--reason", "needed", expect=0)
    policy.run("unlink", "user:ann", "role:hr", "--reason", "left", expect=0)
    return policy


def test_the_history_is_told_newest_first_and_in_pages(policy: PolicyCommand) -> None:
    whole = policy.json("history")
    assert [(one["epoch"], one["reason"]) for one in whole["revisions"]] == [(3, "left"), (2, "needed"), (1, "joined")]
    assert whole["next"] is None
    assert all(one["author"].startswith("operator:") for one in whole["revisions"])
    page = policy.json("history", "--limit", "2")
    assert ([one["epoch"] for one in page["revisions"]], page["next"]) == ([3, 2], 2)
    rest = policy.json("history", "--limit", "2", "--before", str(page["next"]))
    assert ([one["epoch"] for one in rest["revisions"]], rest["next"]) == ([1], None)
    shown = policy.run("history", "--limit", "2").stdout
    assert ("needed" in shown, "joined" in shown, "--before 2" in shown) == (True, False, True)


def test_a_difference_reads_in_both_directions(policy: PolicyCommand) -> None:
    forward, back = policy.json("diff", "1", "3"), policy.json("diff", "3", "1")
    assert (len(forward["added_rules"]), len(forward["removed_links"])) == (1, 1)
    assert (back["removed_rules"], back["added_links"]) == (forward["added_rules"], forward["removed_links"])
    assert "- user:ann in role:hr" in policy.run("diff", "1", "3").stdout
    assert "says the same" in policy.run("diff", "2", "2", expect=0).stdout
    unknown = policy.run("diff", "1", "9", expect=1)
    assert (unknown.stdout, "no complete record" in unknown.stderr) == ("", True)


def test_rolling_back_makes_a_new_version_with_the_old_lines(policy: PolicyCommand) -> None:
    tried = policy.json("rollback", "1", "--dry-run")
    assert (tried["stored"], tried["epoch"], policy.json("list")["epoch"]) == (False, 4, 3)
    rolled = policy.json("rollback", "1", "--reason", "undo")
    assert (rolled["epoch"], rolled["added_links"]) == (4, [{"member": "user:ann", "parent": "role:hr"}])
    assert policy.json("list")["rules"] == []
    again = policy.run("rollback", "1", "--reason", "undo", expect=0)
    assert "stays at version 4" in again.stdout
    policy.run("rollback", "9", "--reason", "x", expect=1)
    policy.run("rollback", "1", expect=2)


def test_a_policy_without_edits_has_an_empty_history(folder: Path) -> None:
    policy = PolicyCommand(folder)
    assert policy.json("history") == {"tenant": "acme", "revisions": [], "next": None}
    assert "No edits" in policy.run("history", expect=0).stdout
