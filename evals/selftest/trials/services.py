"""Services in processes of their own with something broken, fuzzed and under load; and a log that somebody changed."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from evals.fuzz import run as fuzz
from evals.fuzz.run import known_requests
from evals.leak.world import World
from evals.questions import TENANT
from evals.runner.entry import Against
from evals.selftest.trial import Fault, Trial
from evals.soak import command
from evals.soak.process import ServedCompany

KNOWN_EVERY = 6


def _served(fault: str) -> AbstractContextManager[object]:
    program = (sys.executable, "-m", "evals.selftest.broken_service", fault)
    return patch.object(ServedCompany, "program", program)


@contextmanager
def _changed_log() -> Iterator[None]:
    """Somebody takes the last record of an answer out of the audit log once the service has ended."""
    inner = command.verified

    def verified(folder: Path) -> bool:
        with closing(sqlite3.connect(folder / "ringfence.db")) as database, database:
            database.execute("DELETE FROM audit_record WHERE sequence = (SELECT MAX(sequence) - 1 FROM audit_record)")
        return inner(folder)

    with patch.object(command, "verified", verified):
        yield


def _few_known() -> AbstractContextManager[object]:
    """Of the requests about real documents, one of so many."""

    def known(world: World) -> dict[str, list[dict[str, Any]]]:
        return {operation: requests[::KNOWN_EVERY] for operation, requests in known_requests(world).items()}

    return patch.object(fuzz, "known_requests", known)


FUZZ = Trial(
    "fuzz",
    options={"examples": 1},
    company=True,
    narrowed=_few_known,
    faults=(
        Fault("everybody is given what the widest reader may read", partial(_served, "widest_reader"), ("leaks",)),
        Fault("every search crashes", partial(_served, "crashing"), ("server_errors",)),
    ),
)
LEAK_LIVE = Trial(
    "leak",
    # The smallest run that plants something for people of different rights, and takes rights away.
    options={"against": Against.LIVE, "canaries": 4, "people": 6, "pairs": 2, "tenants": [TENANT]},
    company=True,
    served=True,
    # Times are told apart by hundreds of pairs.
    beyond=("apart.pairs",),
    # `eval leak --against live --plant` breaks answers, passages and times in front of the service.
    faults=(
        Fault("an edit of the policy is not obeyed", partial(_served, "forgetting_edits"), ("revocation.stale",)),
        Fault("every search crashes", partial(_served, "crashing"), ("failed_calls",)),
    ),
)
SOAK = Trial(
    "soak",
    options={"requests": 120},
    company=True,
    # Of so few calls it is chance how many are answered, and they end before the service is as large as it will be.
    beyond=("answers_received", "files, start *", "threads, start *"),
    faults=(
        Fault("searches are not recorded", partial(_served, "forgetful"), ("records_lost",)),
        Fault("a record is taken out of the log", _changed_log, ("log_intact",)),
    ),
)
