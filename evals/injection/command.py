"""`ringfence eval injection`: the detector by itself, then planted attacks on the whole path."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from evals.injection import detector, end_to_end
from evals.injection.attacks import benchmark_attacks, own_attacks
from evals.injection.sets import read_sets
from evals.runner.report import Report

Talk = Callable[[str], None]


async def injection_report(data: Path, chosen: Sequence[str], talk: Talk) -> Report:
    """Without the public sets, our own attacks and traps alone; the report says which sets were missing."""
    sets = await asyncio.to_thread(read_sets, data, chosen)
    talk(f"{len(sets.texts)} texts; sets that are missing: {', '.join(sets.missing) or 'none'}")
    figures = await asyncio.to_thread(detector.measure, sets.texts)
    own = own_attacks()
    attacks = own + await asyncio.to_thread(benchmark_attacks, data)
    with tempfile.TemporaryDirectory(prefix="ringfence-eval-") as folder:
        async with end_to_end.planted_company(Path(folder), attacks) as (parts, flagged):
            effects = await end_to_end.measure(parts, attacks, own, flagged, talk)
    return Report("injection", {**figures, **effects, "missing": list(sets.missing)}, (), {"sets": list(chosen)})
