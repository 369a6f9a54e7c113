"""What people see: tables that fit a terminal, say what they leave out, and are moved by nobody's text."""

from pathlib import Path

import pytest

from policies.rules import Attributes, Level
from tests.policies.command_line import PolicyCommand

LONG = "x" * 60
NUMBERS = range(60)
DOCUMENTS = tuple(Attributes("acme", f"doc_{number:032x}", f"d-{number}", Level.SECRET) for number in NUMBERS)
EDIT = "".join(
    [
        "add_rules:\n  - {subject: role:all, action: read}\n",
        *(f"  - {{subject: user:u{n}, action: 'unmask:EMAIL_ADDRESS', department: '{LONG}'}}\n" for n in NUMBERS),
        "add_links:\n",
        *(f"  - {{member: user:u{n}, parent: role:all}}\n" for n in NUMBERS),
    ]
)


@pytest.fixture
def policy(folder: Path) -> PolicyCommand:
    return PolicyCommand(folder, DOCUMENTS)


@pytest.fixture
def filled(policy: PolicyCommand, tmp_path: Path) -> PolicyCommand:
    (tmp_path / "edit.yaml").write_text(EDIT)
    policy.save("edit", str(tmp_path / "edit.yaml"))
    return policy


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        (("list",), ["11 more rules", "10 more role links"]),
        (("diff", "0", "1"), ["71 more lines"]),
        (("who", DOCUMENTS[0].document), ["10 more people, assistants and groups"]),
        (("what", "u1"), ["10 more departments"]),
        (("unlink", "user:u1", "role:all", "--dry-run"), []),
        (("rollback", "0", "--dry-run"), ["71 more lines", "10 more changes"]),
        (("plan", "u1", "--action", "unmask:EMAIL_ADDRESS"), []),
        (("explain", "u1", DOCUMENTS[0].document, "--action", "unmask:EMAIL_ADDRESS"), []),
        (("history",), []),
    ],
    ids=lambda value: " ".join(value),
)
def test_long_answers_fit_80_columns_and_say_how_much_is_left_out(
    words: tuple[str, ...], left_out: list[str], filled: PolicyCommand
) -> None:
    shown = filled.run(*words, expect=0, terminal=True).stdout
    assert max(map(len, shown.splitlines())) <= 80
    for note in left_out:
        assert f"... and {note}; --all shows them." in shown
    assert "…" not in shown, "nothing is cut off inside a cell"
    if left_out:
        assert "--all shows them" not in filled.run(*words, "--all", expect=0).stdout


def test_what_others_wrote_cannot_move_the_cursor(policy: PolicyCommand, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "cases:\n  - {who: user:ann, action: read, document: {department: d, level: public}, expected: deny,"
        ' why: "one\\ntwo \\e[31mred [bold]x[/bold]"}\n'
    )
    said = policy.run("test", str(file), expect=0).stdout
    assert "\x1b" not in said
    assert "one two ?[31mred [bold]x[/bold]" in said


def test_an_error_is_one_line_whatever_it_quotes(policy: PolicyCommand, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('cases:\n  - {who: "user:a\\nb\\e[2J", action: read, document: x, expected: deny, why: x}\n')
    result = policy.run("test", str(file), expect=2)
    assert (result.stdout, result.stderr.count("\n"), "\x1b" in result.stderr) == ("", 1, False)
