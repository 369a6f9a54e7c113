"""DESIGN section 7: exit codes, one clear line instead of a stack trace, and no command loaded but the called one."""

import asyncio
import json
import os
import signal
import stat
import tomllib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated

import pytest
import typer
from sqlalchemy import text

from rag import cli
from rag.db.engine import open_database
from rag.errors import Denied, NotFound, Unavailable
from tests.ingestion.docling_stand_in import KEY as DOCLING_KEY
from tests.ingestion.docling_stand_in import StandIn
from tests.ingestion.docling_stand_in import running as docling

ROOT = Path(__file__).parents[2]
DECLARED: Mapping[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][cli.GROUP]
COMMANDS = {name: EntryPoint(name, value, cli.GROUP) for name, value in DECLARED.items()}


def stand_ins(**functions: str) -> dict[str, EntryPoint]:
    return {name: EntryPoint(name, f"{__name__}:{function}", cli.GROUP) for name, function in functions.items()}


def denied() -> None:
    raise Denied("The policy says no.")


def missing() -> None:
    raise NotFound("There is no such thing.")


def unavailable() -> None:
    raise Unavailable("The index did not answer.")


def denied_to_a_program(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    raise Denied("The policy says no.")


def interrupted() -> None:
    raise KeyboardInterrupt


def fine(name: str, loud: bool = False) -> None:
    """Greets."""
    print(name.upper() if loud else name)  # noqa: T201 - a command of this test


def run(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int = 0) -> str:
    code = cli.main(arguments, COMMANDS)
    printed = capsys.readouterr()
    assert code == expect, printed.err
    assert "Traceback" not in printed.err
    return printed.out


SWALLOWING = """
import signal
try:
    if {interrupted}:
        signal.raise_signal(signal.SIGINT)
except BaseException:
    pass

def command():
    print("it ran")
"""


@pytest.mark.parametrize(("interrupted", "code"), [(True, cli.INTERRUPTED), (False, 0)])
def test_ctrl_c_while_a_command_is_loaded_counts_though_a_module_swallows_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    interrupted: bool,
    code: int,
) -> None:
    name = f"swallowing_{interrupted}"
    (tmp_path / f"{name}.py").write_text(SWALLOWING.format(interrupted=interrupted))
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    assert cli.main(["slow"], {"slow": EntryPoint("slow", f"{name}:command", cli.GROUP)}) == code
    printed = capsys.readouterr()
    assert ("it ran" in printed.out, "Interrupted." in printed.err) == (not interrupted, interrupted)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_overview_loads_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    unloadable = {name: EntryPoint(name, "no.such.module:command", cli.GROUP) for name in DECLARED}
    assert cli.main(["--help"], unloadable) == 0
    printed = capsys.readouterr().out
    for name in DECLARED:
        line = next(line for line in printed.splitlines() if line.startswith(f"  {name} "))
        assert line.strip() != name, "every declared command has its line of help"


@pytest.mark.parametrize("name", ["serve", "ask", "doctor", "keys", "policy", "audit"])
def test_every_command_of_this_room_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"ringfence {name}" in run(capsys, name, "--help")


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        ("denied", 4, "error: The policy says no."),
        ("missing", 1, "error: There is no such thing."),
        ("unavailable", 1, "error: The index did not answer."),
        ("interrupted", 130, "error: Interrupted."),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    function: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["it"], stand_ins(it=function)) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.strip() == words


def test_with_json_a_failure_is_an_object_beside_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["it", "--json"], stand_ins(it="denied_to_a_program")) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert json.loads(printed.err) == {"error": {"code": "denied", "message": "The policy says no."}}


def test_a_command_gets_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["greet", "ann", "--loud"], stand_ins(greet="fine")) == 0
    assert capsys.readouterr().out == "ANN\n"
    assert cli.main(["greet"], stand_ins(greet="fine")) == 2
    assert cli.main(["greet", "ann", "--no-such-option"], stand_ins(greet="fine")) == 2


def test_misuse_is_told_apart_from_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([], COMMANDS) == 2
    assert cli.main(["nope"], COMMANDS) == 2
    assert "no command 'nope'" in capsys.readouterr().err
    assert cli.main(["lost"], {"lost": EntryPoint("lost", "no_such_module:x", cli.GROUP)}) == 2
    assert "'no_such_module' is not installed" in capsys.readouterr().err
    assert cli.main(["--version"], COMMANDS) == 0
    assert capsys.readouterr().out.startswith("ringfence ")


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_key_is_shown_once_listed_and_revoked(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tenant = ("--tenant", "acme")
    made = json.loads(
        run(capsys, "keys", "create", *tenant, "--subject", "assistant:desk", "--may-name-people", "--json")
    )
    assert made["key"].startswith(f"rf_{made['id']}_")
    assert run(capsys, "keys", "create", *tenant, "--subject", "user:ann", "--expires-in-days", "7").startswith("rf_")
    listed = run(capsys, "keys", "list", "--json")
    assert made["key"].rsplit("_", 1)[1] not in listed
    assert [key["subject"] for key in json.loads(listed)] == ["assistant:desk", "user:ann"]
    run(capsys, "keys", "revoke", made["id"])
    states = {key["subject"]: key["revoked_at"] for key in json.loads(run(capsys, "keys", "list", *tenant, "--json"))}
    assert states["assistant:desk"] is not None
    assert states["user:ann"] is None
    assert "revoked" in run(capsys, "keys", "list")
    run(capsys, "keys", "revoke", "f" * 16, expect=1)
    run(capsys, "keys", "create", *tenant, "--subject", "user:ann", "--may-name-people", expect=2)
    run(capsys, "keys", "create", "--tenant", "two words", "--subject", "user:ann", expect=2)
    recorded = json.loads(run(capsys, "audit", "show", *tenant, "--json"))
    assert [record["kind"] for record in recorded] == ["key_created", "key_created", "key_revoked"]


def test_the_id_of_a_key_stands_whole_in_the_list_on_a_narrow_terminal(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there to be copied: `keys revoke` takes no part of one."""
    made = json.loads(run(capsys, "keys", "create", "--tenant", "acme", "--subject", "user:ann", "--json"))
    monkeypatch.setenv("COLUMNS", "50")
    assert made["id"] in run(capsys, "keys", "list")


async def _tamper(data_dir: Path, statement: str) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{data_dir / 'ringfence.db'}")
    async with database.unit_of_work() as session:
        await session.execute(text(statement))
    await database.close()


def test_the_audit_log_is_verified(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:

    for name in ("ann", "bob", "eve"):
        run(capsys, "keys", "create", "--tenant", "acme", "--subject", f"user:{name}")
    verify = ("audit", "verify", "--tenant", "acme")
    intact = json.loads(run(capsys, *verify, "--json"))
    assert (intact["intact"], intact["checked"]) == (True, 3)
    assert intact["head"] in run(capsys, *verify, "--expect", intact["head"])
    asyncio.run(_tamper(data_dir, "DELETE FROM audit_record WHERE sequence = 3"))
    run(capsys, *verify)
    assert "head differs" in run(capsys, *verify, "--expect", intact["head"], expect=1)
    asyncio.run(_tamper(data_dir, "UPDATE audit_record SET kind = 'other' WHERE sequence = 1"))
    assert "Record 1: edited" in run(capsys, *verify, expect=1)
    run(capsys, *verify, "--expect", "nonsense", expect=2)


def test_the_policy_commands_stand_on_the_same_database(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tenant = ("--tenant", "acme")
    run(capsys, "policy", "add", "user:ann", "read", *tenant, "--reason", "test")
    assert json.loads(run(capsys, "policy", "list", *tenant, "--json"))["epoch"] == 1


def test_doctor_shows_origins_hides_secrets_and_finds_an_open_key_file(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGFENCE_SERVICE__PORT", "18093")
    monkeypatch.setenv("RINGFENCE_SERVICE__JWT_SECRET", "a-secret-that-nobody-may-see-printed")
    run(capsys, "keys", "create", "--tenant", "acme", "--subject", "user:ann")
    printed = run(capsys, "doctor", "--json")
    assert "nobody-may-see" not in printed
    report = json.loads(printed)
    origins = {line["name"]: (line["value"], line["origin"]) for line in report["settings"]}
    assert origins["service.port"] == ("18093", "environment")
    assert origins["service.host"] == ("127.0.0.1", "default")
    assert origins["service.jwt_secret"] == ("set", "environment")
    states = {check["check"]: check["state"] for check in report["checks"]}
    assert states["database"] == states["embedding model"] == states["language model"] == states["generator"] == "ok"
    assert states["support model"] == "ok"
    key = data_dir / "master.key"
    key.write_text("x")
    key.chmod(stat.S_IRUSR | stat.S_IRGRP)
    monkeypatch.setenv("RINGFENCE_GENERATOR__SUPPORT_MODEL", str(data_dir))
    broken = json.loads(run(capsys, "doctor", "--json", expect=1))
    failed = {check["check"]: check["detail"] for check in broken["checks"] if check["state"] == "failed"}
    assert list(failed) == ["master key", "support model"]
    assert "RINGFENCE_GENERATOR__SUPPORT_SHA256" in failed["support model"]


def test_doctor_asks_the_service_that_reads_pages_where_there_is_one(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked(expect: int) -> dict[str, str]:
        printed = run(capsys, "doctor", "--json", expect=expect)
        assert DOCLING_KEY not in printed
        return {check["check"]: check["state"] for check in json.loads(printed)["checks"]}

    assert "pages" not in checked(0)
    monkeypatch.setenv("RINGFENCE_INGESTION__OCR", "docling")
    monkeypatch.setenv("RINGFENCE_INGESTION__DOCLING_API_KEY", DOCLING_KEY)
    with docling(StandIn()) as service:
        monkeypatch.setenv("RINGFENCE_INGESTION__DOCLING_URL", service.url)
        assert checked(0)["pages"] == "ok"
    assert checked(1)["pages"] == "failed"


def test_settings_that_make_no_sense_are_one_line(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGFENCE_SERVICE__PORT", "many")
    assert cli.main(["doctor"], COMMANDS) == 2
    assert "service.port" in capsys.readouterr().err
