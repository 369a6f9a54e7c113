"""The path of the sample company broken as `eval leak --plant` does, and personal values shown in clear."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

from evals.company import opened
from evals.leak import asking
from evals.leak.judge import Judge
from evals.leak.plants import PlantedPath
from evals.leak.surfaces import Asker
from evals.leak.world import DEMO, World
from evals.selftest.trial import Fault, Trial
from policies.snapshot import Snapshot
from rag.api.parts import AppParts
from rag.domain import Principal
from rag.query import reveal
from rag.query.reveal import Permit, Shown

CONTRACTOR = DEMO[2]
"""Whoever of the demo may read least."""
GIVEN_TO_ALL = "values are given back to everybody"
GIVEN_TO_NOBODY = "no value is given back"


@contextmanager
def planted(plant: str) -> Iterator[None]:
    """The parts of the application are opened with the path that `evals.leak.plants` breaks."""

    @asynccontextmanager
    async def broken(data_dir: Path) -> AsyncIterator[AppParts]:
        async with opened(data_dir) as parts:
            yield replace(parts, path=PlantedPath(parts.path, plant))

    with patch("evals.running.opened", broken):
        yield


async def given_to_all(
    wanted: Mapping[str, str], shown: Sequence[Shown], principal: Principal, snapshot: Snapshot
) -> dict[str, Permit]:
    """As if it did not matter who asks, nor for what kind of value."""
    holders = {token: next((one for one in shown if token in one.text), None) for token in wanted}
    return {token: Permit("read", holder) for token, holder in holders.items() if holder is not None}


async def given_to_nobody(
    wanted: Mapping[str, str], shown: Sequence[Shown], principal: Principal, snapshot: Snapshot
) -> dict[str, Permit]:
    """As if nobody had the right."""
    return {}


def unmasking(as_if: object) -> AbstractContextManager[object]:
    """The decision about values that an answer or a passage shows, replaced."""
    return patch.object(reveal, "permitted", as_if)


async def _nothing_asked(asker: Asker, world: World, judge: Judge) -> None:
    """No question about rights: none of the faults is about them."""


def _rights_left_out() -> AbstractContextManager[object]:
    return patch.object(asking, "_ask_about_rights", _nothing_asked)


LEAK = Trial(
    "leak",
    options={"limit": 1, "person": [CONTRACTOR]},
    company=True,
    narrowed=_rights_left_out,
    # `eval leak --plant` breaks answers and passages in the same way.
    faults=(
        Fault("a search as the widest reader", partial(planted, "search"), ("leaks",)),
        Fault("a search that finds nothing", partial(planted, "hide"), ("wrongly_hidden", "readers_without_hits")),
        Fault(GIVEN_TO_ALL, partial(unmasking, given_to_all), ("unmasked",)),
    ),
)
