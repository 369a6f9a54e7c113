"""`ringfence eval watch`: beside a running service, on a schedule, or one round at a time."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policies.commands.options import named
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
    talk,
)
from rag.db.folder import DataFolder
from rag.errors import Misuse, Unavailable
from rag.settings import Settings

if TYPE_CHECKING:
    from evals.watching.asking import Service

_EVERY = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
SHORTEST_S, DAY_S = 300, 86_400


def watch(
    tenant: Tenant,
    question_set: Annotated[
        str, typer.Option("--set", help="demo, feedback (reviewed cases), or a file of `ringfence feedback export`.")
    ],
    person: Annotated[str, typer.Option("--person", help="In whose name the watch asks: nobody else's, user:watch.")],
    every: Annotated[str, typer.Option(help="Length of a window: a part of a day, 5m to 1d.")] = "1h",
    once: Annotated[bool, typer.Option("--once", help="One round, for a scheduler of your own.")] = False,
    url: Annotated[str | None, typer.Option(help="Root of the service. Default: the one of the data folder.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with a key of the person, of scope ask. Default: the operator's.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Ask the live service a set of questions again and again, count what it does for everybody, and tell what changes.

    Each round counts the windows of time that are over, from the audit log and the index, and compares them with those
    of the week before. What differs by more than chance is printed, written to the audit log (`drift`) and shown in the
    service's metrics (`ringfence_drift_alarms`). Exit code of a round: 0 nothing has changed, 1 something has.
    """
    from evals.watching.questions import prepared
    from evals.watching.watch import Alarm, Plan, watch_once
    from rag.api.commands.privacy_upkeep import operator

    settings, name, seconds = settings_for(data_dir), checked_tenant(tenant), _seconds(every)
    watcher = named("user", person)
    service = _service(settings, name, watcher, url, key_file)

    async def one_round() -> list[Alarm]:
        async with opened_database(settings) as database:
            seed, questions = await prepared(database, settings, name, question_set)
            plan = Plan(name, watcher, operator(), seconds, seed)
            return await watch_once(database, plan, service, questions, datetime.now(UTC))

    if once:
        alarms = asyncio.run(one_round())
        _print([alarm.record() for alarm in alarms], as_json=as_json)
        raise typer.Exit(1 if alarms else 0)
    while True:
        try:
            _print([alarm.record() for alarm in asyncio.run(one_round())], as_json=as_json)
        except Unavailable as cause:
            # The next round makes up for the windows of this one.
            talk().print(f"This round could not be made: {cause.message}", markup=False)
        time.sleep(seconds - time.time() % seconds)


def _print(alarms: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(list(alarms))
        return
    for one in alarms:
        new = "new" if one["new"] else "still"
        out().print(f"{one['series']} {one['share']}: {one['was']:.3f} -> {one['now']:.3f}, {new}", markup=False)
    talk().print(f"{len(alarms)} shares have changed.")


def _seconds(every: str) -> int:
    found = _EVERY.fullmatch(every)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not SHORTEST_S <= seconds <= DAY_S or DAY_S % seconds:
        raise Misuse("--every is a whole part of a day, from 5m to 1d: 15m, 1h, 6h.")
    return seconds


def _service(settings: Settings, tenant: str, watcher: str, url: str | None, key_file: Path | None) -> "Service":
    """Where to ask, and with which headers: with her own key, or with the operator's in her name."""
    from evals.watching.asking import Service, speaks_for

    folder = DataFolder(settings.data_dir)
    owner = folder.owner() if url is None and settings.index.kind == "embedded" else None
    root = url or (owner.url if owner is not None else None)
    if not root:
        raise Misuse("No service runs on the data folder: start it, or name one with --url and --key-file.")
    if key_file is not None:
        service = Service(root, {"Authorization": f"Bearer {_key(key_file)}"})
        if (spoken_for := speaks_for(service)) != watcher:
            raise Misuse(f"The key in {key_file} is not of {watcher}, but of {spoken_for or 'nobody'}.")
        return service
    if url is not None:
        raise Misuse("--url needs --key-file: the operator's key is for the service of the data folder alone.")
    named = {"X-Ringfence-Tenant": tenant, "X-Ringfence-Person": watcher}
    return Service(root, named | {"Authorization": f"Bearer {folder.operator_key()}"})


def _key(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise Misuse(f"The key in {file} cannot be read ({type(cause).__name__}).") from None
