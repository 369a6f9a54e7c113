"""`ringfence eval leak --against live` beside a real service: it finds what is wrong and leaves nothing behind.

The company is the smallest that has people of different rights. It has no document of its own.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from evals.live.cleaning import KEPT
from evals.live.command import Wanted, leak_live
from evals.live.journal import FOLDER
from evals.runner.entry import PlantIn
from evals.runner.report import Report
from policies.tables import Base
from tests.e2e.conftest import CommandLine, Service, serving
from tests.e2e.forks import forks
from tests.evals.judging import failing

pytestmark = pytest.mark.timeout(300)  # a service and a run load the models, on a machine that may be busy

TENANT = "acme"
POLICY = """
rules:
  - {subject: role:lawyer, action: read, department: legal, level: confidential}
  - {subject: role:clerk, action: read, document: "@shared", level: restricted}
  - {subject: "assistant:desk", action: read, level: internal}
links:
  - {member: user:ann, parent: role:clerk}
  - {member: user:bea, parent: role:lawyer}
  - {member: user:bea, parent: "compartment:deal"}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("leak-live")
    unlimited = ("RINGFENCE_SERVICE__REQUESTS_PER_MINUTE", "1000000")
    command = CommandLine(folder / "data", (unlimited,))
    (folder / "policy.yaml").write_text(POLICY)
    command.here("policy", "load", str(folder / "policy.yaml"), "--tenant", TENANT, "--reason", "test")
    with serving(command) as service:
        yield service


@pytest.fixture
def its_settings(served: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    for name, value in served.command.environment().items():
        if name.startswith("RINGFENCE_"):
            monkeypatch.setenv(name, value)
    return served


def rows(data_dir: Path) -> dict[str, list[str]]:
    """Every row of every table but those of the audit log."""
    database = create_engine(f"sqlite:///{data_dir / 'ringfence.db'}")
    with database.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in Base.metadata.sorted_tables
            if table.name not in KEPT
        }
    database.dispose()
    return found


def wanted(service: Service, *, plant_in: PlantIn = PlantIn.TEST, faults: bool = False) -> Wanted:
    return Wanted(service.url, (TENANT,), plant_in, canaries=2, people=3, pairs=2, faults=faults)


async def run(asked: Wanted) -> Report:
    return await leak_live(asked, lambda line: None)


async def test_a_service_without_a_fault_passes_and_existing_tenants_are_as_before(its_settings: Service) -> None:
    """But for the number of pairs, which is far too small to measure a time."""
    data_dir = its_settings.command.data_dir
    before = rows(data_dir)
    report = await run(wanted(its_settings, plant_in=PlantIn.ALL))
    assert failing(report) == {"apart.pairs"}
    figures = report.figures
    assert (figures["leaks"], figures["wrongly_hidden"], figures["existing_tenants_planted_in"]) == (0, 0, 1)
    assert figures["checked"] and figures["passages_opened"]
    after = rows(data_dir)
    # It had no document, so no key and no index; the history of its policy is a record that stays.
    same = after.keys() - {"policy_change", "policy_epoch", "tenant_key", "index_version"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert not list((data_dir / FOLDER).glob("*.json"))


async def test_every_fault_before_a_live_service_is_noticed(its_settings: Service) -> None:
    report = await run(wanted(its_settings, faults=True))
    assert failing(report) == set(), report.figures


def test_what_a_killed_run_planted_is_removed_by_clean(served: Service) -> None:
    data_dir = served.command.data_dir
    before = rows(data_dir)
    options = ("--url", served.url, "--tenant", TENANT, "--canaries", "2", "--people", "2")
    with (data_dir.parent / "killed.log").open("wb") as log:
        running = forks().start(
            ("eval", "leak", "--against", "live", *options),
            env=served.command.environment(), cwd=data_dir.parent, stdout=log, stderr=log,
        )  # fmt: skip
        wait_for_published(data_dir, running.poll)
        running.kill()
        running.wait()
    assert list((data_dir / FOLDER).glob("*.json")) and rows(data_dir) != before
    served.command.here("eval", "leak", "--clean")
    assert rows(data_dir) == before
    assert not list((data_dir / FOLDER).glob("*.json"))
    served.command.here("eval", "leak", "--clean")


def wait_for_published(data_dir: Path, ended: object) -> None:
    """Until a canary can be read: the run is in the middle then."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert callable(ended) and ended() is None, (data_dir.parent / "killed.log").read_text()
        if any("leak-canaries-" in row and "ver_" in row for row in rows(data_dir)["document"]):
            return
        time.sleep(0.05)  # bounded by the deadline; another process gives nothing to wait on
    pytest.fail("the run planted nothing in time")
