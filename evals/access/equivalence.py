"""Engine, check and Casbin on the whole policy give the same answer about every document, or it is counted.

Over-grants are leaks, under-grants hide what should be found; they are never added up. Everything follows from
the seed and the number of a corpus, so a disagreement can be looked at again.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from evals.access.engine import Shards, chunk
from evals.access.hostile import hostile_payloads
from evals.access.mutants import MUTANTS, Candidate, Mutant
from evals.access.oracle import CompiledOnce, Oracle
from evals.access.worlds import ACTION, EPOCH, World, corpus, policy
from policies.plan import Conditions
from policies.rules import Attributes
from rag.index.payload import payload_of
from rag.index.tree import Every

DOCUMENTS = 200
POLICIES_PER_CORPUS = 10
EXAMPLES_MAX = 20
PRODUCT = Candidate()
CHECK = "check"
LABEL_SETS = "label sets"

FLIPPING = (
    "plan: denials dropped",
    "filter: denied shares ignored",
    "filter: compartments ignored",
    "plan: shares ignored",
    "plan: role links followed eight steps",
    "plan: role links followed ten steps",
    "filter: epoch ignored",
)
"""Mutants whose wrong answers are counted: how often the part that they lack decided."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents and what the index holds: one chunk of each, some written at a newer epoch, and hostile ones."""

    number: int
    documents: tuple[Attributes, ...]
    payloads: tuple[dict[str, Any], ...] = field(repr=False)
    visible: frozenset[str]
    """Chunks that a plan of this epoch may see at all."""

    @property
    def written(self) -> tuple[dict[str, Any], ...]:
        """The payloads that the product wrote."""
        return self.payloads[: len(self.documents)]

    @property
    def chunks(self) -> dict[str, Attributes]:
        return {chunk(number): found for number, found in enumerate(self.documents)}


@dataclass(frozen=True, slots=True)
class Case:
    """One policy on one corpus, and the chunks that Casbin allows."""

    number: int
    world: World
    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """`judge` said otherwise than Casbin; `over` says that it allowed."""

    corpus: int
    policy: int
    judge: str
    over: bool
    document: str


@dataclass(slots=True)
class Tally:
    """What was compared and what disagreed. `seen` counts what the floors ask for."""

    policies: int = 0
    decisions: int = 0
    allowed: int = 0
    over_grants: int = 0
    under_grants: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    examples: list[Disagreement] = field(default_factory=list)


def make_corpus(seed: int, number: int, size: int = DOCUMENTS) -> Corpus:
    random = Random(f"{seed}/{number}")
    documents = corpus(random, size)
    epochs = [random.choice((1, EPOCH, EPOCH, EPOCH, EPOCH, EPOCH + 1)) for _ in documents]
    written = [
        {**payload_of(found, version="v", attribute_version=1, policy_epoch=epoch)}
        for found, epoch in zip(documents, epochs, strict=True)
    ]
    visible = frozenset(chunk(place) for place, epoch in enumerate(epochs) if epoch <= EPOCH)
    return Corpus(number, documents, (*written, *(payload for _, payload in hostile_payloads())), visible)


def make_cases(seed: int, held: Corpus, policies: int = POLICIES_PER_CORPUS) -> Iterator[Case]:
    """Random policies about the documents of a corpus, each with Casbin's answer about every document."""
    for number in range(policies):
        world = policy(Random(f"{seed}/{held.number}/{number}"), held.documents)
        oracle = Oracle(world.rules, world.links, enforcer=CompiledOnce)
        allowed = {name for name, found in held.chunks.items() if oracle.allows(world.callers, ACTION, found)}
        yield Case(number, world, frozenset(allowed))


def compare(seed: int, policies: int, shards: Shards, progress: Progress, size: int = DOCUMENTS) -> Tally:
    """Hold the product against Casbin on so many policies, `size` documents each."""
    tally = Tally()
    flipping = [mutant for mutant in MUTANTS if str(mutant) in FLIPPING]
    for number in range(-(-policies // POLICIES_PER_CORPUS)):
        held = make_corpus(seed, number, size)
        shards.replace(held.payloads)
        for case in make_cases(seed, held, min(POLICIES_PER_CORPUS, policies - tally.policies)):
            _judge(tally, held, case, shards)
            _count(tally.seen, held, case, flipping, shards)
        progress(
            f"{tally.policies}/{policies} policies, {tally.decisions} decisions, "
            f"{tally.over_grants} over-grants, {tally.under_grants} under-grants"
        )
    return tally


def _judge(tally: Tally, held: Corpus, case: Case, shards: Shards) -> None:
    tally.policies += 1
    tally.decisions += len(held.documents)
    tally.allowed += len(case.allowed)
    for judge, answer, right in answers(PRODUCT, held, case, shards):
        wrong = [(chunk_, True) for chunk_ in answer - right] + [(chunk_, False) for chunk_ in right - answer]
        tally.over_grants += len(answer - right)
        tally.under_grants += len(right - answer)
        room = EXAMPLES_MAX - len(tally.examples)
        tally.examples += [Disagreement(held.number, case.number, judge, over, name) for name, over in wrong[:room]]


def answers(
    candidate: Candidate, held: Corpus, case: Case, shards: Shards
) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """(judge, what it allows, what is right) for the check, for each shard and for the filter by label sets."""
    yield CHECK, checked(candidate, held, case), case.allowed
    node = filtered(candidate, case)
    for name, shard in shards.named.items():
        yield name, shard.admitted(node), case.allowed & held.visible
    yield LABEL_SETS, by_label_sets(candidate, held, case, shards), case.allowed & held.visible


def checked(candidate: Candidate, held: Corpus, case: Case) -> frozenset[str]:
    """Raises RuntimeError where deciding fails: a denial by error must not pass for a right one."""
    snapshot = case.world.snapshot
    found = set()
    for name, attributes in held.chunks.items():
        decision = candidate.checker(snapshot, case.world.callers, ACTION, attributes)
        if decision.error:
            raise RuntimeError(f"deciding about a document failed: {decision.reason}")
        if decision.allowed:
            found.add(name)
    return frozenset(found)


def filtered(candidate: Candidate, case: Case) -> Every | None:
    compiled = candidate.planner(case.world.snapshot, case.world.callers, ACTION)
    return candidate.filterer(compiled) if isinstance(compiled, Conditions) else None


def by_label_sets(candidate: Candidate, held: Corpus, case: Case, shards: Shards) -> frozenset[str]:
    """What the engine admits by the filter that the embedded store makes of the sets of labels it wrote."""
    compiled = candidate.planner(case.world.snapshot, case.world.callers, ACTION)
    node = candidate.namer(held.written, compiled) if isinstance(compiled, Conditions) else None
    return shards.named["indexed"].admitted(node)


def _count(seen: Counter[str], held: Corpus, case: Case, flipping: list[Mutant], shards: Shards) -> None:
    """Count what the case exercised, and how often each part of the model decided."""
    world, shard = case.world, shards.named["indexed"]
    right = case.allowed & held.visible
    seen["policies with a reader"] += bool(case.allowed)
    seen["two callers"] += len(world.callers) > 1
    seen["vouched groups"] += any(caller.groups for caller in world.callers)
    seen["chains of nine and ten links"] += any(link.parent == "role:chain10" for link in world.links)
    seen["several tenants"] += len({rule.tenant for rule in world.rules}) > 1
    for mutant in flipping:
        seen[f"flips: {mutant}"] += len(right ^ (shard.admitted(filtered(mutant.candidate, case)) & held.chunks.keys()))
    names = frozenset[str]().union(*(world.snapshot.closure(caller) for caller in world.callers))
    for rule in world.snapshot.rules_for(names, ACTION):
        columns = {
            "department": rule.department != "*",
            "tags": bool(rule.tags),
            "owner": rule.owner != "*",
            "document": rule.document not in ("*", "@shared"),
            "shares": rule.document == "@shared",
            "level": rule.level < max(type(rule.level)),
        }
        for column, restricts in columns.items():
            seen[f"{column} {'restricts' if restricts else 'does not restrict'}"] += 1
        seen["effective rules"] += 1
