"""Which mutants does the proof notice, where, and after how much? One that it does not notice is a hole in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evals.access.engine import Shards
from evals.access.equivalence import (
    CHECK,
    DOCUMENTS,
    LABEL_SETS,
    Case,
    Corpus,
    Progress,
    by_label_sets,
    checked,
    filtered,
    make_cases,
    make_corpus,
)
from evals.access.mutants import MUTANTS, Mutant

POLICIES = 300
"""A mutant that lives so long is taken to live for ever."""


@dataclass(frozen=True, slots=True)
class Death:
    """Where a mutant first differed from Casbin: `policies` and `decisions` count up to and with that one."""

    judge: str
    corpus: int
    policy: int
    policies: int
    decisions: int
    over: int
    under: int


@dataclass(slots=True)
class Hunted:
    """A mutant and its deaths by judge. Plan and filter must be noticed by the shard with indexes and the other."""

    mutant: Mutant
    waiting: set[str]
    deaths: list[Death] = field(default_factory=list)

    @property
    def killed(self) -> bool:
        return not self.waiting


def hunt(
    seed: int, shards: Shards, progress: Progress, mutants: Iterable[Mutant] = MUTANTS, policies: int = POLICIES
) -> list[Hunted]:
    """Show each mutant random policies until every judge of it has noticed, or there are no more."""
    judges = {"check": {CHECK}, "label sets": {LABEL_SETS}}
    hunted = [Hunted(mutant, set(judges.get(mutant.part, shards.named))) for mutant in mutants]
    done = number = 0
    while done < policies and (alive := [one for one in hunted if not one.killed]):
        held = make_corpus(seed, number)
        shards.replace(held.payloads)
        for case in make_cases(seed, held):
            done += 1
            for one in alive:
                _show(one, held, case, shards, done)
        progress(f"{done} policies, {sum(one.killed for one in hunted)}/{len(hunted)} mutants killed")
        number += 1
    return hunted


def living(hunted: Sequence[Hunted]) -> list[str]:
    return [str(one.mutant) for one in hunted if not one.killed]


def _show(one: Hunted, held: Corpus, case: Case, shards: Shards, done: int) -> None:
    for judge in sorted(one.waiting):
        if judge == CHECK:
            answer, right = checked(one.mutant.candidate, held, case), case.allowed
        elif judge == LABEL_SETS:
            answer = by_label_sets(one.mutant.candidate, held, case, shards)
            right = case.allowed & held.visible
        else:
            answer = shards.named[judge].admitted(filtered(one.mutant.candidate, case))
            right = case.allowed & held.visible
        if answer != right:
            one.waiting.remove(judge)
            counts = (done, (done - 1) * DOCUMENTS + len(held.documents), len(answer - right), len(right - answer))
            one.deaths.append(Death(judge, held.number, case.number, *counts))
