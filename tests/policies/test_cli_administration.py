"""Edits on somebody's authority: the policy decides what she may change, and the history says who really did it."""

import shutil
from pathlib import Path

import pytest

from policies.rules import Attributes, Level
from tests.copies import copy_folder
from tests.policies.command_line import PolicyCommand

DOCUMENTS = (
    Attributes("acme", "handbook", "hr", Level.INTERNAL),
    Attributes("acme", "budget", "finance", Level.INTERNAL),
    Attributes("acme", "trap", "hr", Level.SECRET, frozenset({"canary"})),
)
POLICY = """
rules:
  - {subject: user:hanna, action: administer, department: hr}
  - {subject: user:root, action: administer}
  - {subject: assistant:desk, action: administer, department: finance}
  - {subject: role:hr, action: read, department: hr, level: internal}
  - {subject: role:finance, action: read, department: finance}
"""
HANNA, ROOT, ANN = ("--as", "hanna"), ("--as", "user:root"), ("--as", "ann")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """A folder with the policy in its database. Copy it, do not change it."""
    folder = tmp_path_factory.mktemp("loaded")
    shutil.copyfile(migrated_file, folder / "ringfence.db")
    (folder / "policy.yaml").write_text(POLICY)
    PolicyCommand(folder, DOCUMENTS).save("load", str(folder / "policy.yaml"))
    return folder


@pytest.fixture
def policy(loaded: Path, tmp_path: Path) -> PolicyCommand:
    copy_folder(loaded, tmp_path / "loaded")
    return PolicyCommand(tmp_path / "loaded", DOCUMENTS)


def ids(policy: PolicyCommand, *words: str) -> dict[str, str]:
    return {rule["subject"]: rule["id"] for rule in policy.json("list", *words)["rules"]}


def test_she_changes_what_she_administers_and_nothing_else(policy: PolicyCommand) -> None:
    policy.save("link", "user:new", "role:hr", *HANNA)
    refused = policy.run("link", "user:new", "role:finance", "--reason", "x", *HANNA, expect=4)
    assert (refused.stdout, "role:finance passes on more" in refused.stderr) == ("", True)
    policy.run("link", "user:new", "role:finance", "--dry-run", *HANNA, expect=4)
    policy.run("add", "user:new", "read", "--department", "finance", "--reason", "x", *HANNA, expect=4)
    assert policy.json("list")["epoch"] == 2


def test_through_an_assistant_only_what_both_administer(policy: PolicyCommand) -> None:
    words = ("link", "user:new", "role:finance", "--reason", "x")
    policy.run(*words, *HANNA, "--assistant", "desk", expect=4)
    policy.run("link", "user:new", "role:hr", "--reason", "x", *ROOT, "--assistant", "desk", expect=4)
    policy.run(*words, *ROOT, "--assistant", "desk", expect=0)


def test_the_history_says_that_the_operator_acted_for_her(policy: PolicyCommand) -> None:
    policy.save("link", "user:new", "role:hr", *HANNA)
    author = policy.json("history")["revisions"][0]["author"]
    assert author.startswith("operator:")
    assert author.endswith("/user:hanna")


def test_she_sees_her_lines_and_removes_them_by_id_but_no_other(policy: PolicyCommand) -> None:
    everything, hers = ids(policy), ids(policy, *HANNA)
    assert set(hers) == {"user:hanna", "role:hr"}
    assert policy.json("list", *HANNA)["whole"] is False
    assert "Only what" in policy.run("list", *HANNA).stdout
    hidden = policy.run("remove", everything["role:finance"], "--reason", "x", *HANNA, expect=2)
    unknown = policy.run("remove", "0000000000", "--reason", "x", *HANNA, expect=2)
    assert hidden.stderr.replace(everything["role:finance"], "0000000000") == unknown.stderr
    policy.save("remove", hers["role:hr"], *HANNA)


@pytest.mark.parametrize(
    "words",
    [("export",), ("history",), ("diff", "0", "1"), ("rollback", "0", "--reason", "x")],
    ids=lambda words: words[0],
)
def test_whole_versions_are_for_who_administers_the_whole(words: tuple[str, ...], policy: PolicyCommand) -> None:
    refused = policy.run(*words, *HANNA, expect=4)
    assert (refused.stdout, "does not administer the whole" in refused.stderr) == ("", True)
    policy.run(*words, *ROOT, expect=0)


@pytest.mark.parametrize("login", ["ACME\\\\eve", "eve smith", "", "eve\\n"])
def test_an_operator_whose_login_is_no_id_is_recorded_by_number(
    login: str, policy: PolicyCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audit records hold ids only: without this, such an operator could change nothing."""
    monkeypatch.setenv("LOGNAME", login or " ")
    policy.save("link", "user:new", "role:hr")
    assert policy.json("history")["revisions"][0]["author"].startswith("operator:uid-")
    monkeypatch.setenv("LOGNAME", "eve")
    policy.save("link", "user:newer", "role:hr")
    assert policy.json("history")["revisions"][0]["author"] == "operator:eve"


def test_a_canary_is_exposed_by_nobody_who_administers_a_part(policy: PolicyCommand) -> None:
    words = ("add", "user:new", "read", "--department", "hr", "--reason", "x", "--expose-canaries")
    assert "canary trap" in policy.run(*words, *HANNA, expect=4).stderr
    policy.run(*words, *ROOT, expect=0)


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("export",),
        ("history",),
        ("add", "user:ann", "read", "--department", "finance", "--reason", "x"),
        ("remove", "0000000000", "--reason", "x"),
        ("link", "user:ann", "role:hr", "--dry-run"),
    ],
    ids=lambda words: words[0],
)
def test_who_administers_nothing_is_refused(words: tuple[str, ...], policy: PolicyCommand) -> None:
    refused = policy.run(*words, *ANN, expect=4)
    assert refused.stdout == ""
    policy.run(*words, *ROOT, expect=2 if words[0] == "remove" else 0)
