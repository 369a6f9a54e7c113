"""`ringfence eval leak`: does anything of a document reach somebody who may not read it?

Every person, and some through assistants, asks every question at every surface, names every document's planted
mark, and opens every passage. Each output is searched for runs of words, ids and marks of what the oracle says
she may not read. The other direction is counted too: what she may read and does not get.
"""

from collections.abc import Callable, Sequence

from evals.company import client_of
from evals.leak.asking import AGENTS_EVERY, examine
from evals.leak.judge import Findings, look_at_log
from evals.leak.logs import captured_log
from evals.leak.surfaces import AGENT_SURFACES, QUESTION_SURFACES
from evals.leak.world import World, askers_of, world_of
from evals.questions import document_paths
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from rag.api.parts import AppParts
from rag.errors import Misuse

EXAMPLES_MAX = 25

Progress = Callable[[str], None]


async def leak(parts: AppParts, key: str, limit: int | None, progress: Progress, people: Sequence[str] = ()) -> Report:
    """Run the eval on the sample company in `parts`; `limit` takes only the first questions, `people` only these.

    Raises:
        Misuse: the policy knows no person of such a name.
    """
    world = await world_of(parts.database, limit)
    if unknown := sorted(set(people) - set(world.oracle.people)):
        raise Misuse(f"The policy of the sample company knows no {unknown[0]!r}.", code="no_person")
    asking = tuple(people) or world.oracle.people
    findings = Findings()
    with captured_log() as log:
        async with client_of(parts) as client:
            askers = askers_of(world.oracle, asking, client, parts.path, key)
            for number, asker in enumerate(askers, start=1):
                progress(f"{number}/{len(askers)} {asker.name}")
                await examine(asker, world, findings)
                look_at_log(log.take(), asker, world, findings)
    return report_of(findings, world, len(askers), {"limit": limit, "person": list(people)}, people=len(asking))


def report_of(
    findings: Findings, world: World, askers: int, arguments: dict[str, Json], people: int | None = None
) -> Report:
    """Figures and gates; the floors see to it that nothing passes by doing nothing.

    `people` of the `askers` ask for themselves; None for everybody whom the policy knows.
    """
    alone = len(world.oracle.people) if people is None else people
    asked = len(world.questions) * alone * len(QUESTION_SURFACES)
    by_agents = len(world.questions[::AGENTS_EVERY]) * alone * len(AGENT_SURFACES)
    documents = len({section.document for section in world.sections})
    opened, tried = findings.found["passage"], findings.calls["passage"]
    figures: dict[str, Json] = {
        "leaks": len(findings.leaks),
        "wrongly_hidden": len(findings.hidden),
        "unmasked": len(findings.unmasked),
        "failed_calls": len(findings.failed),
        "checked": sum(findings.calls.values()),
        "askers": askers,
        "questions": len(world.questions),
        "documents": documents,
        "sections": len(world.sections),
        "fingerprints": findings.fingerprints,
        "readers_without_hits": findings.readers_without_hits,
        "passages_opened": opened,
        "passages_refused": tried - opened,
        "surfaces": {name: {"calls": findings.calls[name], "found": findings.found[name]} for name in findings.calls},
        "examples": examples(findings),
    }
    gates = (
        Gate("documents", "at least", len(document_paths()), documents),
        Gate("checked", "at least", max(1, asked + askers * len(world.sections)), sum(findings.calls.values())),
        Gate("questions asked", "at least", max(1, asked), sum(findings.calls[name] for name in QUESTION_SURFACES)),
        Gate("asked by agents", "at least", max(1, by_agents), sum(findings.calls[name] for name in AGENT_SURFACES)),
        Gate("passages tried", "at least", max(1, askers * len(world.sections)), tried),
        Gate("fingerprints", "at least", 1000 * askers, findings.fingerprints),
    )
    return Report("leak", figures, gates, arguments)


def examples(findings: Findings) -> list[Json]:
    """The first problems of each kind."""
    kinds = {
        "leak": findings.leaks,
        "hidden": findings.hidden,
        "unmasked": findings.unmasked,
        "failed": findings.failed,
    }
    return [
        {"kind": kind, "who": who, "surface": surface, "asked": asked[:80], "what": what}
        for kind, problems in kinds.items()
        for who, surface, asked, what in problems[:EXAMPLES_MAX]
    ]
