"""What an edit does, for people: who gains and who loses which documents."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from policies.desk import Outcome
from policies.printing import counted, edit_pictures, first, indented, known_people, left_out, names
from policies.rules import Attributes
from policies.simulate import Change, Exposure, Gain, Simulation
from policies.survey.readers import label


def outcome_pictures(outcome: Outcome, tenant: str, limit: int | None) -> Iterator[RenderableType]:
    """What became of an edit; of one that was only tried out, everything that it would do."""
    if outcome.edit.empty:
        yield Text(f"Nothing to change: the policy of {tenant} stays at version {outcome.epoch}.")
        return
    yield from edit_pictures(outcome.edit, limit)
    if outcome.stored:
        yield Text(f"The policy of {tenant} is at version {outcome.epoch}.")
        if outcome.simulation is not None:
            yield Text(summary(outcome.simulation))
            yield from canary_pictures(outcome.simulation.canaries, limit)
        return
    if outcome.simulation is not None:
        yield from simulation_pictures(outcome.simulation, limit)
    yield Text(f"The policy of {tenant} would become version {outcome.epoch}; nothing was stored.")


def simulation_pictures(simulation: Simulation, limit: int | None) -> Iterator[RenderableType]:
    """Each change with examples, those first that open something new, then the largest."""
    yield Text("")
    yield Text(summary(simulation))
    changes = sorted(simulation.changes, key=_weight)
    for change in first(changes, limit):
        yield from _change(change)
    yield from left_out(len(changes), limit, "changes")
    yield from canary_pictures(simulation.canaries, limit)
    yield Text("")


def canary_pictures(exposures: Sequence[Exposure], limit: int | None) -> Iterator[RenderableType]:
    for exposure in first(exposures, limit):
        yield Text(f"CANARY: {label(exposure.caller)} could read {exposure.document}, which nobody may.", "bold red")
    yield from left_out(len(exposures), limit, "exposed canaries")


def summary(simulation: Simulation) -> str:
    """What it changes for whom, in one line."""
    looked_at = known_people(simulation.people)
    if not simulation.changes:
        return f"Of {looked_at}, nobody gains or loses a document."
    # What somebody may both read and delete is two rights on one document.
    what = (
        ("document", None)
        if len({change.action for change in simulation.changes}) == 1
        else ("right on a document", "rights on documents")
    )
    parts = []
    if simulation.gainers:
        does = "gains" if simulation.gainers == 1 else "gain"
        rising = {change.caller for change in simulation.changes if change.gain and change.gain.level_rises}
        rises = f" (a higher level for {len(rising)})" if rising else ""
        parts.append(f"{simulation.gainers} {does} {counted(simulation.gains, *what)}{rises}")
    if simulation.losers:
        does = "loses" if simulation.losers == 1 else "lose"
        parts.append(f"{simulation.losers} {does} {counted(simulation.losses, *what)}")
    return f"Of {looked_at}, {' and '.join(parts)}."


def _weight(change: Change) -> tuple[object, ...]:
    gain, loss = change.gain, change.loss
    opens = gain is not None and (gain.level_rises or bool(gain.compartments))
    return not opens, -sum(part.documents for part in (gain, loss) if part), label(change.caller), change.action


def _change(change: Change) -> Iterator[RenderableType]:
    who, gain, loss = label(change.caller), change.gain, change.loss
    if gain is not None:
        head = f"{who} gains {counted(gain.documents, 'document')} to {change.action}, up to {_level(gain)}"
        yield indented(Text.assemble((head, "green"), *_marks(gain)), 2)
        yield from _examples(gain.examples, gain.documents)
    if loss is not None:
        yield indented(Text(f"{who} loses {counted(loss.documents, 'document')} to {change.action}", "red"), 2)
        yield from _examples(loss.examples, loss.documents)


def _level(gain: Gain) -> str:
    return gain.highest.name.lower()


def _marks(gain: Gain) -> Iterator[tuple[str, str]]:
    if gain.level_rises:
        before = "nothing" if gain.highest_before is None else gain.highest_before.name.lower()
        yield f"; LEVEL RISES from {before}", "bold yellow"
    if gain.compartments:
        yield f"; OPENS {names(gain.compartments)}", "bold yellow"


def _examples(examples: Sequence[Attributes], of: int) -> Iterator[RenderableType]:
    for example in examples:
        yield indented(example_line(example), 6)
    if of > len(examples):
        yield indented(Text(f"and {of - len(examples)} more", "dim"), 6)


def example_line(attributes: Attributes) -> str:
    """A document with what matters about it."""
    walls = f", behind {names(attributes.compartments)}" if attributes.compartments else ""
    return f"{attributes.document} ({attributes.department}, {attributes.level.name.lower()}{walls})"
