"""What the log says of one answer: who got it, what was shown in it, and what the generator was given for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.store import AuditRecords
from rag.domain import Principal


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk and its document."""

    document: str
    chunk: str


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer that was given whole. `question` is the keyed digest of the masked question."""

    sequence: int
    person: str
    assistant: str | None
    found: bool
    question: str
    shown: tuple[Place, ...]
    considered: tuple[Place, ...]

    def is_of(self, principal: Principal) -> bool:
        """Whether she got it, and, where an assistant speaks for her, through this assistant."""
        return self.person == principal.person and principal.assistant in (None, self.assistant)


async def find_answer(session: AsyncSession, tenant: str, answer: str, since: datetime | None) -> GivenAnswer | None:
    """The answer, if both of its records are there. As much is read whoever's it is, and where there is none."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for record in await AuditRecords(session).of_answer(tenant, answer, since):
        body = json.loads(record.body)
        if body.get("answer") == answer:
            found[record.kind] = record.sequence, body
    if found.keys() != {"question", "answer"}:
        return None
    sequence, given = found["answer"]
    _, asked = found["question"]
    return GivenAnswer(
        sequence=sequence,
        person=given["person"],
        assistant=given["assistant"],
        found=given["found"],
        question=asked["question"],
        shown=tuple(map(_place, given["shown"])),
        considered=tuple(map(_place, asked["considered"])),
    )


def _place(item: Mapping[str, str]) -> Place:
    return Place(item["document"], item["chunk"])
