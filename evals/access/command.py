"""`ringfence eval access`: which parts are run at which sizes, and the one report of them."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from evals.access.engine import Shards
from evals.access.equivalence import DOCUMENTS, Progress, Tally, compare
from evals.access.floors import floors
from evals.access.hunt import Hunted, hunt, living
from evals.access.overhead import measure_overhead
from evals.access.peer import measure_peer
from evals.access.revocation import measure_revocation
from evals.access.search import measure_search
from evals.runner.report import Gate, Report
from evals.runner.values import Json

SEED = 7
FLOORS_FROM = 100
"""Policies from which the floors are asked for: shares of fewer say little."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run; nothing, zero or False is left out. `everything` is the run whose report is kept as `access`."""

    seed: int = SEED
    decisions: int = 40_000
    mutants: bool = True
    rules: tuple[int, ...] = (10, 1_000, 10_000, 100_000)
    chunks: tuple[int, ...] = (10_000, 100_000)
    revocations: int = 100
    peer: bool = True
    speed_gates: bool = True

    @property
    def name(self) -> str:
        """`access` for a run of all parts; a run of some never replaces its report."""
        parts = {
            "equivalence": bool(self.decisions),
            "mutants": self.mutants,
            "rules": bool(self.rules),
            "chunks": bool(self.chunks),
            "revocations": bool(self.revocations),
            "peer": self.peer,
        }
        return "access" if all(parts.values()) else "-".join(["access", *(name for name, on in parts.items() if on)])


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts that somebody named. `bench` is short for all that take time, at the usual sizes."""

    decisions: int = 0
    mutants: bool = False
    bench: bool = False
    rules: tuple[int, ...] = ()
    chunks: tuple[int, ...] = ()
    revocations: int = 0
    peer: bool = False


def wanted_of(asked: Asked, *, seed: int | None = None, speed_gates: bool = True) -> Wanted:
    """Everything where no part was named; else the named parts, a size given for one going before the usual one."""
    usual = Wanted(seed=SEED if seed is None else seed, speed_gates=speed_gates)
    if asked == Asked():
        return usual
    return replace(
        usual,
        decisions=asked.decisions,
        mutants=asked.mutants,
        rules=asked.rules or (usual.rules if asked.bench else ()),
        chunks=asked.chunks or (usual.chunks if asked.bench else ()),
        revocations=asked.revocations or (usual.revocations if asked.bench else 0),
        peer=asked.peer or asked.bench,
    )


async def access_report(wanted: Wanted, talk: Progress) -> Report:
    """Run what is wanted, in a scratch folder that is removed, and report it."""
    talk(f"seed {wanted.seed}; --seed repeats it")
    figures: dict[str, Json] = {"seed": wanted.seed}
    gates: list[Gate] = []
    with tempfile.TemporaryDirectory(prefix="ringfence-eval-") as scratch:
        folder = Path(scratch)
        await asyncio.to_thread(_prove, wanted, folder, talk, figures, gates)
        if wanted.rules:
            figures["authorization"] = by_rules = await measure_overhead(wanted.seed, wanted.rules, folder, talk)
            # By this name for the gates, which are about the largest policy measured.
            figures["authorization_at_largest"] = by_rules[max(by_rules, key=int)]
        if wanted.chunks:
            figures["search"] = await measure_search(wanted.seed, wanted.chunks, folder, talk)
        if wanted.revocations:
            figures["revocation"] = await measure_revocation(wanted.seed, wanted.revocations, folder, talk)
        if wanted.peer:
            figures["peer"] = await measure_peer(wanted.seed, folder, talk)
    arguments = {**_arguments(wanted), "peer_measured": figures.get("peer") is not None}
    return Report(wanted.name, figures, tuple(gates), arguments)


def _prove(wanted: Wanted, folder: Path, talk: Progress, figures: dict[str, Json], gates: list[Gate]) -> None:
    with Shards(folder) as shards:
        if wanted.decisions:
            tally = compare(wanted.seed, -(-wanted.decisions // DOCUMENTS), shards, talk)
            figures.update(equivalence_figures(tally))
            gates += equivalence_gates(tally, wanted.decisions)
        if wanted.mutants:
            hunted = hunt(wanted.seed, shards, talk)
            figures.update(mutant_figures(hunted))


def equivalence_figures(tally: Tally) -> dict[str, Json]:
    return {
        "policies": tally.policies,
        "documents_per_policy": DOCUMENTS,
        "decisions": tally.decisions,
        "over_grants": tally.over_grants,
        "under_grants": tally.under_grants,
        "allowed_ratio": round(tally.allowed / max(1, tally.decisions), 4),
        "exercised": dict(sorted(tally.seen.items())),
        "disagreements": [asdict(example) for example in tally.examples],
    }


def equivalence_gates(tally: Tally, decisions: int) -> tuple[Gate, ...]:
    return (
        Gate("decisions", "at least", decisions, tally.decisions),
        *(floors(tally) if tally.policies >= FLOORS_FROM else ()),
    )


def mutant_figures(hunted: Sequence[Hunted]) -> dict[str, Json]:
    deaths: list[Json] = [
        {"mutant": str(one.mutant), "killed": one.killed, "by": [asdict(death) for death in one.deaths]}
        for one in hunted
    ]
    return {
        "mutants": len(hunted),
        "mutants_killed": sum(one.killed for one in hunted),
        "mutants_living": list(living(hunted)),
        "mutant_deaths": deaths,
    }


def _arguments(wanted: Wanted) -> Mapping[str, Json]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(wanted).items()}
