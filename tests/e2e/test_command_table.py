"""What each command may show, and to whom: all commands of `ringfence`, from one file that a person can review.

What the policy binds is really run, in a small company with a running service: once permitted, once refused.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml
from typer.core import TyperGroup

from rag import cli
from rag.api.commands.later import Later
from tests.declared import write_entry_points
from tests.e2e.conftest import ROOT, CommandLine, Service, serving

TABLE: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "command_table.yaml").read_text())
DECLARED: Mapping[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][cli.GROUP]
ENTRY_POINTS = {name: EntryPoint(name, value, cli.GROUP) for name, value in DECLARED.items()}
pytestmark = pytest.mark.timeout(300)  # two processes load the models, on a machine that may be busy
BOUND_BY_POLICY = {"reading", "administration"}

DOCUMENTS = {
    "legal/ringfence.yaml": "department: legal\nlevel: confidential\n",
    "legal/lease.md": "# Lease\n\nThe monthly rent of the harbour warehouse is 41,700 euros.\n\n"
    "It was signed by Margaret Ellison.\n",
    "staff/ringfence.yaml": "department: staff\nlevel: internal\n",
    "staff/canteen.md": "# Canteen\n\nThe canteen opens at noon. The canteen closes at two in the afternoon.\n",
}
POLICY = """
rules:
  - {subject: role:lawyer, action: [read, "unmask:PERSON"], department: legal}
  - {subject: role:employee, action: read, department: staff}
  - {subject: user:lea, action: administer, department: legal}
  - {subject: user:root, action: administer}
links:
  - {member: user:ann, parent: role:employee}
  - {member: user:bea, parent: role:lawyer}
"""
EDIT = "add_rules:\n  - {{subject: user:new, action: read, department: {}}}\n"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every command that the entry points lead to, by the words that call it."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(write_entry_points(tmp_path_factory.mktemp("declared"))))
        for name, entry_point in ENTRY_POINTS.items():
            loaded = entry_point.load()
            if not isinstance(loaded, typer.Typer):
                loaded, function = typer.Typer(), loaded
                loaded.command()(function)
            found.update(_leaves(name, typer.main.get_command(loaded)))
    return found


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(command, Later):
        command = command.command()
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    # As the overview finds them: a group may load some of its commands only when they are called.
    context = typer.Context(command)
    for word in command.list_commands(context):
        yield from _leaves(f"{name} {word}", command.get_command(context, word))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The company, served; and what the placeholders of the table stand for in it."""
    root = tmp_path_factory.mktemp("commands")
    files = {"policy.yaml": POLICY, "more.yaml": EDIT.format("legal"), "staff.yaml": EDIT.format("staff")}
    for name, content in {**files, **{f"documents/{name}": text for name, text in DOCUMENTS.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    command = CommandLine(root / "data", (("RINGFENCE_TENANT", "acme"),))
    command.here("policy", "load", str(root / "policy.yaml"), "--reason", "a reason of old")
    command.here("ingest", str(root / "documents"))
    documents: Any = command.json_here("documents", "list")["documents"]
    rules: Any = command.json_here("policy", "list")["rules"]
    ids = {rule["subject"]: rule["id"] for rule in rules}
    with serving(command) as service:
        yield {
            "signer": signer(service),
            "data": str(root / "data"),
            **{Path(name).stem: str(root / name) for name in files},
            **{Path(document["path"]).stem: document["document"] for document in documents},
            "lawyers_rule": ids["role:lawyer"],
            "employees_rule": ids["role:employee"],
        }


def signer(service: Service) -> str:
    """The token of the person that the lease names, without its brackets."""
    headers = {
        "Authorization": f"Bearer {service.operator_key}",
        "X-Ringfence-Tenant": "acme",
        "X-Ringfence-Person": "bea",
    }
    found = httpx.post(f"{service.url}/v1/search", json={"query": "Who signed the lease?"}, headers=headers, timeout=60)
    return re.findall(r"<(PERSON_\w{16})>", found.json()["data"][0]["text"])[0]


@pytest.fixture
def company(places: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The company, for commands that are run in this process."""
    command = CommandLine(Path(places["data"]), (("RINGFENCE_TENANT", "acme"), ("COLUMNS", "200")))
    monkeypatch.chdir(tmp_path)
    for name, value in command.environment().items():
        monkeypatch.setenv(name, value)
    return places


def test_the_table_lists_every_command_and_no_other(commands: dict[str, Any]) -> None:
    listed = [line["command"] for line in TABLE]
    assert sorted(listed) == sorted(commands)


def test_every_line_says_what_is_shown_and_what_keeps_it_in_its_bounds() -> None:
    for line in TABLE:
        assert line["shows"] in {"nothing", "counts", "labels", "titles", "text"}, line["command"]
        assert line["bound_by"] in {"data_folder", "files", *BOUND_BY_POLICY}, line["command"]
        assert line["why"].strip(), line["command"]


def test_what_opens_the_data_folder_takes_it_as_an_option(commands: dict[str, Any]) -> None:
    """The policy's commands are given their desk by whoever builds them, and read RINGFENCE_DATA_DIR alone."""
    for line in TABLE:
        name = line["command"]
        if line["bound_by"] != "files" and not name.startswith(("policy ", "eval privacy")):
            assert any("--data-dir" in param.opts for param in commands[name].params), name


def test_an_option_has_the_same_names_in_every_command(commands: dict[str, Any]) -> None:
    for word in ("--tenant", "--json", "--data-dir", "--dry-run", "--reason"):
        for name, command in commands.items():
            for param in command.params:
                assert word not in param.opts or param.opts == [word], f"{name} {param.opts}"


def test_a_policy_binds_exactly_the_commands_that_act_for_somebody_and_each_has_both_cases(
    commands: dict[str, Any],
) -> None:
    for name, command in commands.items():
        line = next(line for line in TABLE if line["command"] == name)
        # What prints numbers alone gives nobody anything, whomever it asks for.
        acts_for_somebody = any("--as" in param.opts for param in command.params) and line["shows"] != "counts"
        assert (line["bound_by"] in BOUND_BY_POLICY) is acts_for_somebody, name
        assert ({"permitted", "refused"} <= line.keys()) is acts_for_somebody, name
        for case in (line.get("permitted"), line.get("refused")):
            assert case is None or (" ".join(case["run"]).startswith(name) and "--as" in case["run"]), name


@pytest.mark.parametrize("case", ["permitted", "refused"])
@pytest.mark.parametrize("line", [line for line in TABLE if "permitted" in line], ids=lambda line: line["command"])
def test_each_run_shows_what_the_table_says(
    line: dict[str, Any], case: str, company: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = line[case]
    code = cli.main([word.format_map(company) for word in expected["run"]], ENTRY_POINTS)
    printed = capsys.readouterr()
    assert code == expected.get("exit", 0), printed.err
    for text in expected.get("says", []):
        assert text.format_map(company) in printed.out
    # What she named herself is repeated to her; that says nothing about it.
    own_words = [word.format_map(company) for word in expected["run"]]
    for text in expected.get("hides", []):
        for output in (printed.out, printed.err):
            for word in own_words if code else ():
                output = output.replace(word, "")
            assert text.format_map(company) not in output
    if code:
        assert printed.out == ""
        assert printed.err.startswith("error: ")
