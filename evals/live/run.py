"""What is asked of a service where canaries are planted, and in which order."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

from evals.leak.judge import Findings, Judge
from evals.leak.outputs import Output, all_text
from evals.leak.surfaces import Caller
from evals.live.faults import ANSWERS, SIGNS
from evals.live.figures import Run, report_of
from evals.live.ground import Ground, Planted, callers_of
from evals.live.paired_calls import Target, ask_chat, give_feedback
from evals.live.places import without_rights
from evals.live.planting import AUTHOR, REASON
from evals.live.revoking import Revoked, ask_before_and_after
from evals.live.sweep import LiveWorld, sweep
from evals.live.telling_apart import SURFACES, Samples, ask_pairs, figures_of
from evals.runner.entry import Talk
from evals.runner.report import Report
from evals.runner.values import Json
from policies.store import PolicyStore
from policies.tenancy import within

AT_ONCE = 4
"""People who ask at the same time: while one waits for a limit, the others go on."""
REVOKED = 3
"""People of each tenant from whom everything is taken."""
FAULT_PAIRS = 24
FAULT_SURFACES = ("search", "passage")
NO_ANSWERS: Mapping[str, str] = MappingProxyType({})


async def measure(ground: Ground, pairs: int, chance: Random, talk: Talk) -> Report:
    """Everybody tries everything; then what can be told apart; then what is given after a revocation."""
    findings, samples, revoked = Findings(), Samples(), Revoked()
    worlds = [await ground.world(one) for one in ground.planted]
    async with ground.client() as client:
        asking = [
            (caller, world)
            for one, world in zip(ground.planted, worlds, strict=True)
            for caller in callers_of(one, client)
        ]
        await _everybody(asking, ground, findings, talk)
        talk(f"{pairs} pairs at each of {len(SURFACES)} surfaces ...")
        alone = [(caller, world) for caller, world in asking if caller.assistant is None]
        answers = {caller.person: await _answer_of(caller) for caller, _ in alone}
        targets = [_target(caller, world, ground, answers) for caller, world in alone]
        await ask_pairs(targets, pairs, chance, samples)
        for one in ground.planted:
            # In an existing tenant nothing of hers may stay behind.
            for person in one.place.people if one.place.like != one.place.tenant else ():
                caller, world = next(found for found in alone if found[0].person == person)
                await _say_of_her_own(caller, answers[person], Judge(caller, world, findings))
        talk("before and after a revocation ...")
        for one, world in zip(ground.planted, worlds, strict=True):
            for caller in callers_of(one, client)[: REVOKED if one.place.like else 0]:
                await _revoke(ground, one, caller, world, findings, revoked)
    return report_of(Run(ground, tuple(worlds), len(asking), pairs, findings, samples, revoked))


async def _everybody(
    asking: Sequence[tuple[Caller, LiveWorld]], ground: Ground, findings: Findings, talk: Talk
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, caller: Caller, world: LiveWorld) -> Findings:
        own = Findings()
        async with places:
            talk(f"{number}/{len(asking)} {caller.name}")
            # What is refused says the same to everybody: somebody of each tenant is enough.
            errors = caller is next(one for one, where in asking if where is world)
            await sweep(caller, world, ground.sections, own, errors=errors)
        return own

    async with asyncio.TaskGroup() as group:  # If one fails, none goes on while what was planted is removed.
        tasks = [group.create_task(one(n, caller, world)) for n, (caller, world) in enumerate(asking, start=1)]
    for task in tasks:
        _add(findings, task.result())


def _add(total: Findings, more: Findings) -> None:
    total.leaks += more.leaks
    total.hidden += more.hidden
    total.unmasked += more.unmasked
    total.failed += more.failed
    total.calls += more.calls
    total.found += more.found
    total.fingerprints += more.fingerprints
    total.readers_without_hits += more.readers_without_hits


async def _answer_of(caller: Caller) -> str:
    """The id of an answer that she is given, whatever it says."""
    response = await ask_chat(caller, "What is kept in the warehouse?")
    return str(response.raise_for_status().json()["ringfence"]["answer"])


async def _say_of_her_own(caller: Caller, answer: str, judge: Judge) -> None:
    """What is refused for the answers of others is taken for hers."""
    response = await give_feedback(caller, answer)
    judge.look("feedback", answer, Output(response.status_code, all_text(response), found=response.is_success))
    if not response.is_success:
        judge.failed("feedback", answer, response.status_code)


def _target(caller: Caller, world: LiveWorld, ground: Ground, answers: Mapping[str, str] = NO_ANSWERS) -> Target:
    """What she may not read in her tenant. Of what she administers she is told that it is there."""
    hidden = [
        section
        for section in ground.sections
        if section.stored.name in world.inside
        and not any(world.oracle.may(caller.callers, act, section.stored.labels) for act in ("read", "administer"))
    ]
    read = {s.document for s in world.sections if s.name in world.readable(caller.callers)}
    # Of a document with a stricter paragraph, its readers know that it is there.
    others = tuple(answer for person, answer in answers.items() if person != caller.person)
    return Target(caller, tuple(section for section in hidden if section.stored.document not in read), others)


async def _revoke(
    ground: Ground, one: Planted, caller: Caller, world: LiveWorld, findings: Findings, revoked: Revoked
) -> None:
    edit, tenant = without_rights(one.place, caller.person), one.place.tenant
    if caller.assistant is not None or edit.empty:
        return

    async def revoke() -> LiveWorld:
        with within(tenant):
            async with ground.database.unit_of_work() as session:
                await PolicyStore(session).apply(tenant, edit, author=AUTHOR, reason=REASON)
        return await ground.world(one)

    await ask_before_and_after(caller, world, one.sections, revoke, findings, revoked)


async def faults_noticed(ground: Ground, chance: Random, talk: Talk) -> Report:
    """Put each fault before the service in turn, and demand that it is noticed."""
    one = ground.planted[0]
    world = await ground.world(one)
    reads = {person: world.readable((person,)) for person in one.place.people}
    widest = max(reads, key=lambda person: len(reads[person]))
    narrowest = max(reads, key=lambda person: len(reads[widest] - reads[person]))
    few = Ground(ground.database, ground.url, (one,))
    caught: dict[str, Json] = {}
    for fault in (*ANSWERS, *SIGNS):
        talk(f"fault before the service: {fault}")
        async with few.client(fault, f"Bearer {one.bearers[widest]}") as client:
            alone = {caller.person: caller for caller in callers_of(one, client) if caller.assistant is None}
            if fault in SIGNS:
                samples, target = Samples(), _target(alone[narrowest], world, few)
                await ask_pairs([target], FAULT_PAIRS, chance, samples, FAULT_SURFACES)
                caught[fault] = figures_of(samples)["features_told_apart"]
                continue
            findings = Findings()
            await sweep(alone[widest if fault == "hide" else narrowest], world, one.sections, findings, errors=False)
            caught[fault] = len(findings.hidden) if fault == "hide" else len(findings.leaks)
    number = sum(1 for count in caught.values() if count)
    return Report("leak-live-plant", {"plants": len(caught), "plants_caught": number, "caught": caught}, ())
