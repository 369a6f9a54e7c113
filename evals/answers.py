"""`ringfence eval answers`: are the answers of the demo's people right, and where does the time of a question go?

Every question of the sample company is asked for each of the three people, through the path of a question as it is.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evals.abstention import facts_for
from evals.leak.world import DEMO, World
from evals.questions import TENANT, Question
from evals.runner.report import Report
from evals.runner.values import Json
from rag.domain import Answer, Principal, PrincipalSource
from rag.query.answer import answer
from rag.query.parts import QueryParts

AUTHORIZATION = ("plan", "check")
RIGHT, WRONG, MISSED, ABSTAINED, INVENTED = "right", "wrong", "missed", "abstained", "false_answer"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of one person: how it came out, and milliseconds by stage."""

    outcome: str
    stages: dict[str, float]


async def ask_all(parts: QueryParts, world: World, limit: int | None, progress: Progress) -> list[Asked]:
    """The first question is asked once before it counts: loading is measured elsewhere."""
    asked: list[Asked] = []
    # Whether a masked name is the right one cannot be told by its text.
    questions = [q for q in world.questions if not any(one.entity for one in q.answers)][:limit]
    for person in DEMO:
        principal = Principal(TENANT, person, frozenset(), None, PrincipalSource.OPERATOR)
        if not asked:
            await answer(questions[0].text, principal, parts)
        for question in questions:
            given = await answer(question.text, principal, parts)
            asked.append(Asked(outcome_of(given, question, person, world), dict(given.timings.stages)))
        progress(f"{person}: {len(questions)} questions")
    return asked


def outcome_of(given: Answer, question: Question, person: str, world: World) -> str:
    facts = facts_for(question, person, world)
    if not facts:
        return INVENTED if given.found else ABSTAINED
    if not given.found:
        return MISSED
    text = " ".join(given.text.split()).lower()
    return RIGHT if any(" ".join(fact.split()).lower() in text for fact in facts) else WRONG


def report_of(asked: Sequence[Asked], arguments: dict[str, Json]) -> Report:
    counts = Counter(one.outcome for one in asked)
    answerable = counts[RIGHT] + counts[WRONG] + counts[MISSED]
    others = counts[ABSTAINED] + counts[INVENTED]
    right = counts[RIGHT] / answerable if answerable else 0.0
    false = counts[INVENTED] / others if others else 1.0
    figures: dict[str, Json] = {
        "questions": len(asked),
        **{name: counts[name] for name in (RIGHT, WRONG, MISSED, ABSTAINED, INVENTED)},
        "answerable": answerable,
        "unanswerable": others,
        "right_ratio": round(right, 4),
        "false_answer_ratio": round(false, 4),
        **latencies(asked),
    }
    return Report("answers", figures, (), arguments)


def latencies(asked: Sequence[Asked]) -> dict[str, Json]:
    """Median and 95th percentile by stage, of authorisation (plan and check), and of everything."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for one in asked:
        for stage, ms in one.stages.items():
            values[stage].append(ms)
        values["authorization"].append(sum(one.stages.get(stage, 0.0) for stage in AUTHORIZATION))
        values["total"].append(sum(one.stages.values()))
    return {
        f"{stage}_ms_p{percent}": round(float(np.percentile(ms, percent)), 2)
        for stage, ms in values.items()
        for percent in (50, 95)
    }
