"""Ingests the same folder again and again, each time killed at another step and then run to the end.

Usage: kill_every_step.py DATABASE FOLDER. Prints, as JSON, at how many steps it was killed, and those after which
the tables did not hold what they hold after an uninterrupted run. Each run is a process of its own (a fork), ended
by SIGKILL: nothing of it can clean up.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ingestion.parse.child import EXTRACTORS
from ingestion.parse.document import ParsedDocument
from ingestion.parse.sniff import kind_of
from ingestion.parse.structure import build
from ingestion.pipeline import ingest
from ingestion.report import Step
from ingestion.sources.folder import FolderSource
from tests.ingestion.worlds import TENANT, opened_parts, state


class ParsedHere:
    """Reads in this very process: what is killed here is the writing, a hundred times; a sandbox each is slow."""

    isolation = None

    def parse(self, data: bytes, path: str) -> ParsedDocument:
        kind = kind_of(data, PurePosixPath(path).suffix)
        return build(EXTRACTORS[kind](data, 100_000), path)


async def run(database: Path, folder: Path, kill_at: int) -> None:
    steps = 0

    def observe(step: Step, path: str, done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async with opened_parts(database) as parts:
        parts = replace(parts, parser=ParsedHere())
        await ingest(FolderSource(folder, "docs"), TENANT, parts, observe=observe)
        database.with_suffix(".json").write_text(json.dumps(await state(parts.database), sort_keys=True))


def forked(database: Path, folder: Path, kill_at: int = 0) -> bool:
    """Run in a child; True if it came to its end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(run(database, folder, kill_at))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise RuntimeError(f"the run that was to be killed at {kill_at} failed")
    return os.WIFEXITED(status)


def main(start: Path, folder: Path) -> None:
    whole = start.with_name("whole.db")
    shutil.copy(start, whole)
    forked(whole, folder)
    expected = whole.with_suffix(".json").read_text()
    kills, different = 0, []
    while True:
        database = start.with_name(f"killed-{kills + 1}.db")
        shutil.copy(start, database)
        if forked(database, folder, kills + 1):
            break
        kills += 1
        forked(database, folder)
        if database.with_suffix(".json").read_text() != expected:
            different.append(kills)
    print(json.dumps({"kills": kills, "different": different, "rows": len(expected)}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
