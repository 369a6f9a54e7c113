"""Questions about rights: answered in words, with the rule that decided or what came nearest."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from policies.rules import Attributes, InvalidRule, Level
from tests.copies import copy_folder
from tests.policies.command_line import PolicyCommand

WALL = frozenset({"compartment:merger"})
DOCUMENTS = (
    Attributes("acme", "handbook", "hr", Level.INTERNAL),
    Attributes("acme", "wages", "hr", Level.RESTRICTED, shares=frozenset({"group:audit"})),
    Attributes("acme", "wages", "hr", Level.SECRET, shares=frozenset({"group:audit"})),
    Attributes("acme", "plan", "law", Level.INTERNAL, compartments=WALL),
    Attributes("acme", "note", "hr", Level.INTERNAL, denied_shares=frozenset({"group:hr"})),
)
POLICY = """
rules:
  - {subject: role:hr-reader, action: read, department: hr, level: restricted}
  - {subject: role:law-reader, action: read, department: law}
  - {subject: user:hanna, action: administer, department: hr}
  - {subject: role:out, action: read, effect: deny}
  - {subject: assistant:desk, action: read, level: internal}
links:
  - {member: group:hr, parent: role:hr-reader}
  - {member: user:ann, parent: group:hr}
  - {member: user:leo, parent: role:law-reader}
  - {member: user:otto, parent: group:hr}
  - {member: user:otto, parent: role:out}
"""


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


def test_an_allowed_reader_is_told_the_rule_and_the_way_to_it(policy: PolicyCommand) -> None:
    said = policy.run("explain", "ann", "handbook", expect=0).stdout
    assert "allowed: user:ann may read handbook (hr, internal)." in said
    assert "role:hr-reader may read all documents of hr up to restricted" in said
    assert "because user:ann -> group:hr -> role:hr-reader" in said
    (found,) = policy.json("explain", "ann", "handbook")["found"]
    assert found["callers"][0]["path"] == {"names": ["user:ann", "group:hr", "role:hr-reader"], "vouched": False}


def test_a_group_of_the_token_is_said_to_be_one(policy: PolicyCommand) -> None:
    said = policy.run("explain", "new", "handbook", "--group", "hr", expect=0).stdout
    assert "because user:new -(token)-> group:hr -> role:hr-reader" in said


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        (("leo", "handbook"), ["No rule allows it. The nearest:", "but only of law; this is of hr", "is not in role:"]),
        (("ann", "wages"), ["paragraphs of it that are secret", "but at most restricted; this is secret"]),
        (("ann", "note"), ["denies it to group:hr", "user:ann -> group:hr", "Without that, this would allow it:"]),
        (("leo", "plan"), ["behind compartment:merger, which user:leo does not hold", "Without that"]),
        (("otto", "handbook"), ["role:out may not read", "because user:otto -> role:out", "beats every rule"]),
        (("ann", "wages", "--assistant", "desk"), ["user:ann: allowed", "assistant:desk: denied", "at most internal"]),
        (
            ("ann", "handbook", "--action", "delete"),
            ["no rule lets user:ann delete this document, and none comes near"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_refused_reader_is_told_what_is_missing(
    words: tuple[str, ...], reasons: list[str], policy: PolicyCommand
) -> None:
    said = policy.run("explain", *words, expect=0).stdout
    assert "denied" in said
    for reason in reasons:
        assert reason in said


def test_who_lists_the_readers_of_a_document_and_of_its_stricter_paragraphs(policy: PolicyCommand) -> None:
    whole, paragraph = policy.json("who", "wages")["found"]
    assert [reader["caller"]["name"] for reader in whole["readers"]] == ["user:ann", "anyone in group:hr"]
    assert paragraph["readers"] == []
    said = policy.run("who", "wages", expect=0).stdout
    assert "2 of 6 people, assistants and groups may read wages" in said
    assert "group:hr -> role:hr-reader" in said
    assert "0 of 6 people, assistants and groups may read paragraphs of it that are secret" in said


def test_what_counts_by_level_and_department(policy: PolicyCommand) -> None:
    reach = policy.json("what", "ann")
    assert (reach["total"], reach["by_level"]) == (2, {"internal": 1, "restricted": 1})
    assert reach["callers"] == ["user:ann"]
    said = policy.run("what", "ann", expect=0).stdout
    assert ("may read 2 documents" in said, "wages (hr, restricted)" in said) == (True, True)
    assert policy.json("what", "ann", "--assistant", "desk")["total"] == 1
    assert policy.json("what", "nobody")["total"] == 0


def test_an_administrator_is_answered_about_her_part_and_of_the_rest_knows_nothing(policy: PolicyCommand) -> None:
    """Each refusal next to what she may ask."""
    hanna = ("--as", "hanna")
    assert "allowed" in policy.run("explain", "ann", "handbook", *hanna, expect=0).stdout
    assert policy.json("who", "handbook", *hanna)["found"]
    absent = policy.run("explain", "leo", "nowhere", *hanna, expect=1)
    foreign = policy.run("explain", "leo", "plan", *hanna, expect=1)
    assert foreign.stderr.replace("plan", "nowhere") == absent.stderr
    assert policy.run("who", "plan", *hanna, expect=1).stderr == foreign.stderr
    assert policy.run("check", "leo", "read", "plan", *hanna, expect=1).stderr == foreign.stderr
    policy.save("link", "user:leo", "compartment:merger")
    assert policy.json("what", "leo")["total"] == 1
    assert policy.json("what", "leo", *hanna)["total"] == 0


@pytest.mark.parametrize(
    "words",
    [("explain", "ann", "handbook"), ("who", "handbook"), ("what", "ann"), ("check", "ann", "read", "handbook")],
)
def test_who_administers_nothing_is_told_nothing(words: tuple[str, ...], policy: PolicyCommand) -> None:
    policy.run(*words, "--as", "hanna", expect=0)
    for stranger in (("--as", "ann"), ("--as", "hanna", "--as-assistant", "desk")):
        refused = policy.run(*words, *stranger, expect=4)
        assert refused.stdout == ""
        assert "administers nothing" in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "a,b", "handbook"),
        ("explain", "ann", "handbook", "--action", "peruse"),
        ("who", "handbook", "--action", "peruse"),
        ("what", "ann", "--as", "a,b"),
        ("what", "ann", "--as-assistant", "desk"),
        ("what", "group:hr"),
        ("who", "handbook", "--tenant", "two words"),
        ("plan", "ann", "--tenant", "two words"),
    ],
    ids=" ".join,
)
def test_a_question_that_makes_no_sense_is_misuse(words: tuple[str, ...], policy: PolicyCommand) -> None:
    result = policy.run(*words, expect=2)
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)


class Unlabelled(tuple[Attributes, ...]):
    """Stored documents of which one has lost its labels."""

    def __iter__(self) -> Iterator[Attributes]:
        raise InvalidRule("department '' must be a name")


@pytest.mark.parametrize("words", [("who", "handbook"), ("what", "ann"), ("link", "user:ann", "role:hr", "--dry-run")])
def test_a_stored_document_without_valid_labels_is_a_failure_and_no_misuse(
    words: tuple[str, ...], folder: Path
) -> None:
    result = PolicyCommand(folder, Unlabelled()).run(*words, expect=1)
    assert (result.stdout, "Ingest it again" in result.stderr) == ("", True)
