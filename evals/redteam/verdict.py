"""What came back of a step, held against what must: statuses, bytes, bounds of time and memory, audit records."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.redteam.catalogue import Recorded, Step
from evals.redteam.company import TENANT
from evals.redteam.fill import Known, filled
from policies.tenancy import within
from rag.audit.store import AuditRecords
from rag.db.engine import Database

_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class Came:
    """What came back of one step. `status` is 0 where the connection ended without an answer."""

    status: int
    text: str = field(repr=False)
    told: str = field(repr=False)
    """The body without what differs each time."""
    body: Any = field(repr=False)
    seconds: float
    grew_mb: float


def differences(step: Step, back: Came, absent: Sequence[str], came: Sequence[Came], known: Known) -> list[str]:
    """Each thing that is otherwise than the step says; `came` is what came back so far, this step included."""
    found: list[str] = []
    if back.status not in step.status:
        found.append(f"status {back.status}")
    text = back.text.casefold()
    found += [f"shows {one!r}" for one in filled([*absent, *step.absent], known) if one.casefold() in text]
    found += [f"lacks {one!r}" for one in filled(list(step.present), known) if one.casefold() not in text]
    answer = _CODE.sub("", str(value_at(back, "choices.0.message.content"))).casefold()
    found += [f"answers {one!r}" for one in filled(list(step.answer_absent), known) if one.casefold() in answer]
    if step.same_as is not None and (back.status, back.told) != (
        came[step.same_as - 1].status,
        came[step.same_as - 1].told,
    ):
        found.append(f"differs from step {step.same_as}")
    if step.within_s is not None and back.seconds > step.within_s:
        found.append(f"took {back.seconds:.1f} s")
    if step.grows_mb_max is not None and back.grew_mb > step.grows_mb_max:
        found.append(f"memory grew by {back.grew_mb:.0f} MB")
    return found


def value_at(back: Came, path: str) -> Any:
    """What stands at a dotted path of the body, or `header:NAME` among the headers; empty where nothing does."""
    if path.startswith("header:"):
        name = path.removeprefix("header:").casefold()
        lines = (line.partition(": ") for line in back.text.splitlines())
        return next((value for header, _, value in lines if header.casefold() == name), "")
    value = back.body
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError):
            return ""
    return value


async def last_record(database: Database) -> int:
    """The number of the newest audit record of the company; 0 where there is none."""
    with within(TENANT):
        async with database.reading() as session:
            record = await AuditRecords(session).last(TENANT, lock=False)
    return 0 if record is None else record.sequence


async def recorded(database: Database, wanted: Recorded, known: Known, after: int) -> bool:
    """Whether such a record was written behind the number `after`."""
    holds = filled(wanted.holds, known)
    with within(TENANT):
        async with database.reading() as session:
            async for record in AuditRecords(session).all(TENANT, after=after):
                body = json.loads(record.body)
                if record.kind == wanted.kind and all(body.get(name) == value for name, value in holds.items()):
                    return True
    return False
