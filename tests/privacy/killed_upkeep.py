"""Runs pieces of upkeep again and again, each time killed at another statement and then run to the end.

Usage: killed_upkeep.py FOLDER WHAT... WHAT is vault, master or erase, and begins with FOLDER/WHAT/start.db. Prints, as
JSON, for each at how many statements and commits it was killed, and those after which the database did not hold what
it holds after an uninterrupted run. Each run is a process of its own (a fork), ended by SIGKILL: nothing of it can
clean up.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import Engine, event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database, open_database
from rag.db.scrub import scrub
from rag.db.tables import ErasedRow, ReceiptRow, TenantKeyRow, VaultKeyRow, VaultRow
from rag.privacy import rotation
from rag.privacy.key_sources import KeyRing
from rag.privacy.keys import MasterKey, existing_tenant_keys
from rag.privacy.rewrap import rewrap
from rag.privacy.vault import Vault
from tests.privacy.people import MASTER, TENANT, World

NEW = MasterKey.of(b"\x02" * 32, "new")
SOURCE = KeyRing((NEW, MASTER))

Upkeep = Callable[[World, str], Awaitable[None]]


async def vault(world: World, url: str) -> None:
    async def record(session: AsyncSession, done: rotation.VaultRotation) -> None:
        return None

    await rotation.rotate_vault(world.database, TENANT, MASTER, record)


async def master(world: World, url: str) -> None:
    async def record(session: AsyncSession, tenant: str, key: str, number: int) -> None:
        return None

    await rewrap(world.database, SOURCE, record, lambda done, total: None)


async def erase(world: World, url: str) -> None:
    if (await world.plan("Cleo Quist")).erased:
        await world.erase("Cleo Quist")
    assert await scrub(url, VaultRow.__tablename__)


UPKEEP: dict[str, Upkeep] = {"vault": vault, "master": master, "erase": erase}


async def run(what: str, path: Path, kill_at: int) -> None:
    database = await open_database(url_of(path))
    async with database.reading() as session:
        world = World(database, await existing_tenant_keys(session, TENANT, SOURCE))
    rotation.BATCH = 8  # So that few entries are several batches.
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", step)
    event.listen(Engine, "commit", step)
    await UPKEEP[what](world, url_of(path))
    event.remove(Engine, "before_cursor_execute", step)
    event.remove(Engine, "commit", step)
    path.with_suffix(".json").write_text(json.dumps(await state(database), sort_keys=True))
    await database.close()


async def state(database: Database) -> dict[str, object]:
    """What must be the same, however often it was killed."""
    async with database.reading() as session:
        keys = await existing_tenant_keys(session, TENANT, SOURCE)
        tokens = list(await session.scalars(select(VaultRow.token).order_by(VaultRow.token)))
        originals = await Vault(TENANT, keys.vault).open(session, tokens)
        later = select(VaultKeyRow.generation, VaultKeyRow.complete, VaultKeyRow.master_key_id)
        return {
            "originals": [originals[token] for token in tokens],
            "generations": list(await session.scalars(select(VaultRow.generation).order_by(VaultRow.token))),
            "keys": [list(row) for row in await session.execute(later.order_by(VaultKeyRow.generation))],
            "first": list(await session.scalars(select(TenantKeyRow.master_key_id))),
            "marks": sorted(await session.scalars(select(ErasedRow.mark))),
            "receipts": await session.scalar(select(func.count()).select_from(ReceiptRow)),
        }


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def forked(what: str, path: Path, kill_at: int = 0) -> bool:
    """Run in a child; True if it came to its end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(run(what, path, kill_at))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise RuntimeError(f"the run that was to be killed at {kill_at} failed")
    return os.WIFEXITED(status)


def killed_everywhere(what: str, start: Path) -> dict[str, object]:
    whole = start.with_name("whole.db")
    shutil.copy(start, whole)
    # In this process: what a run imports, and what SQLAlchemy makes of the tables, each fork then has already.
    asyncio.run(run(what, whole, 0))
    expected = whole.with_suffix(".json").read_text()
    kills, different = 0, []
    while True:
        path = start.with_name(f"killed-{kills + 1}.db")
        shutil.copy(start, path)
        if forked(what, path, kills + 1):
            break
        kills += 1
        forked(what, path)
        if path.with_suffix(".json").read_text() != expected:
            different.append(kills)
    return {"kills": kills, "different": different, "state": json.loads(expected)}


def main(folder: Path, *names: str) -> None:
    answer = {what: killed_everywhere(what, folder / what / "start.db") for what in names}
    print(json.dumps(answer))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
