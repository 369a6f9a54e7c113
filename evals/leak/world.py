"""What a leak run asks about, who may what of it, and who asks."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from evals.company import StoredSection, headers, stored_sections
from evals.leak.surfaces import Asker
from evals.oracle import Oracle, level_number, read_oracle
from evals.questions import POLICY, Question, RightAnswer, load_questions
from rag.api.parts import QuestionPath
from rag.db.engine import Database

DEMO = ("user:ines.halvorsen", "user:tomas.okafor", "user:jonas.weidmann")


@dataclass(frozen=True, slots=True)
class World:
    """What is asked about, and who may what."""

    sections: tuple[StoredSection, ...]
    questions: tuple[Question, ...]
    oracle: Oracle

    def level_of(self, answer: RightAnswer) -> int:
        """The level of the section that holds `answer`; -1 if its document is not there."""
        if answer.level is not None:
            return level_number(answer.level)
        return min((s.labels.level for s in self.sections if s.path == answer.document), default=-1)

    def readable(self, callers: Sequence[str]) -> frozenset[str]:
        """Names of the sections that all of `callers` may read."""
        return frozenset(s.name for s in self.sections if self.oracle.may(callers, "read", s.labels))


async def world_of(database: Database, limit: int | None = None) -> World:
    """The sample company as it stands in `database`."""
    return World(await stored_sections(database), load_questions()[:limit], read_oracle(POLICY))


def askers_of(
    oracle: Oracle, people: Sequence[str], client: httpx.AsyncClient, path: QuestionPath, key: str
) -> list[Asker]:
    """Each of `people` alone, and those of the demo among them through every assistant."""
    demo = [person for person in DEMO if person in people]
    asked = [(person, None) for person in people] + [(p, a) for p in demo for a in oracle.assistants]
    return [Asker(person, assistant, client, headers(key, person, assistant), path) for person, assistant in asked]
