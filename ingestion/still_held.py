"""Documents that a run left as they were and that wait in quarantine: each run says so, until somebody has decided."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ingestion.quarantine import Quarantine, Waiting
from ingestion.report import Change, Outcome
from ingestion.run import Run

_LEFT = frozenset({Change.UNCHANGED, Change.RELABELLED})


async def with_held(outcomes: Sequence[Outcome], run: Run, listed: Collection[str] | None) -> list[Outcome]:
    """The outcomes, those of documents that wait for a decision as QUARANTINED.

    `listed` are the ids that a listing of what is new names: then also what waits and is not named. Its path is masked.
    """
    async with run.parts.database.reading() as session:
        waiting = await Quarantine(session, run.tenant).waiting(source=run.source, index=run.parts.index.number)
    held = {one.document: one for one in waiting}
    told = [_held(outcome, held[outcome.document]) if outcome.document in held else outcome for outcome in outcomes]
    if listed is not None:
        named = {*listed, *(outcome.document for outcome in outcomes)}
        told += (
            _held(Outcome(one.path, Change.UNCHANGED, one.document), one)
            for one in waiting
            if one.document not in named
        )
    return told


def _held(outcome: Outcome, waiting: Waiting) -> Outcome:
    if outcome.change not in _LEFT:
        return outcome
    # What new labels were given to has nothing older left to be read.
    stays = waiting.previous_visible and outcome.change is Change.UNCHANGED
    return replace(outcome, change=Change.QUARANTINED, flags=waiting.codes, previous_stays=stays)
