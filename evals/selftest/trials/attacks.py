"""Attacks on services and paths without one of their guards."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

from evals.injection import detector, end_to_end
from evals.redteam import command
from evals.redteam.catalogue import Catalogue
from evals.redteam.company import Company, open_company
from evals.redteam.faults import FAULTS
from evals.selftest.trial import Fault, Trial

FAMILIES = ("exfiltration_links",)
"""Of the catalogue; `eval redteam --selftest` makes every attack on a service without what stops it."""


@contextmanager
def _company_without(part: str) -> Iterator[None]:
    """The attacked company is opened with one of its parts broken."""

    @asynccontextmanager
    async def opened(scratch: Path, catalogue: Catalogue) -> AsyncIterator[Company]:
        async with open_company(scratch, catalogue) as company:
            with FAULTS[part](company) as broken:
                yield broken

    with patch.object(command, "open_company", opened):
        yield


@contextmanager
def _refusing() -> Iterator[None]:
    """The key of every person is unknown to the service."""

    @asynccontextmanager
    async def opened(scratch: Path, catalogue: Catalogue) -> AsyncIterator[Company]:
        async with open_company(scratch, catalogue) as company:
            nobodys = dict.fromkeys(company.known.bearers, "rf_unknown")
            yield replace(company, known=replace(company.known, bearers=nobodys))

    with patch.object(command, "open_company", opened):
        yield


def _detects(says: str) -> AbstractContextManager[object]:
    """The detector finds something in `every` text, or in none."""

    def codes(texts: Iterable[str]) -> tuple[str, ...]:
        return ("override",) if says == "every" else ()

    return patch.object(detector.measure, "__defaults__", (codes,))


def _deaf() -> AbstractContextManager[object]:
    """The generator that should obey writes nothing of what it reads: nothing is tried with it."""
    return patch.object(end_to_end.Obedient, "generate", _silent)


async def _silent(self: object, request: object) -> AsyncIterator[str]:
    """No piece at all."""
    nothing: tuple[str, ...] = ()
    for piece in nothing:
        yield piece


REDTEAM = Trial(
    "redteam",
    options={"family": list(FAMILIES)},
    faults=(
        Fault("claims are believed", partial(_company_without, "believed_claims"), ("attacks_succeeded",)),
        Fault("the service refuses everybody", _refusing, ("twins_failed",)),
    ),
)
INJECTION = Trial(
    "injection",
    # Our own attacks and traps: the public sets are not looked for.
    options={"data": Path("no-public-sets")},
    faults=(
        Fault("the detector alarms at every text", partial(_detects, "every"), ("false_alarms.*.found_ratio",)),
        Fault("claims are believed", partial(end_to_end.without, "form"), ("attacks_succeeded",)),
        Fault("the generator obeys nothing", _deaf, ("attacks_obeyed",)),
    ),
)
