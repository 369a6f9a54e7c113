"""`ringfence eval privacy`: what is run, and the one report of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from evals.privacy.datasets import read_generated, read_wikigold
from evals.privacy.finding import (
    Sets,
    load_finders,
    measure,
    measure_directory,
    measure_directory_speed,
    measure_speed,
)
from evals.runner.report import Report
from evals.runner.values import Json

Talk = Callable[[str], None]


async def privacy_report(data: Path, *, directory: bool, speed: bool, limit: int | None, talk: Talk) -> Report:
    """The report on finding personal data."""
    return await asyncio.to_thread(_measured, data, directory, speed, limit, talk)


def _measured(data: Path, directory: bool, speed: bool, limit: int | None, talk: Talk) -> Report:
    sets = Sets(read_generated(data)[:limit], read_wikigold(data)[:limit])
    finders, accurate, fast = load_finders()
    talk("finding in texts of both sets, three finders ...")
    scores = measure(sets, finders)
    figures: dict[str, Json] = {"finding": scores}
    if directory:
        talk("the same with a directory ...")
        figures["with_directory"] = measure_directory(sets, {"accurate": accurate, "fast": fast})
    speeds: dict[str, Json] = {}
    if speed:
        talk("speed, side by side ...")
        speeds = measure_speed(sets, finders)
        if directory:
            speeds |= measure_directory_speed(sets, accurate.lexicon)
        figures.update(speeds)
    return Report("privacy", figures, (), {"directory": directory, "speed": speed, "limit": limit})
