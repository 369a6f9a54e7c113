"""What would an edit do? Who gains and who loses which documents, exactly, before it is saved.

Every caller whose names meet a changed line is looked at, with every document. Callers who differ in nothing but
a name that no rule and no document speaks of are answered once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from policies.rules import Attributes, Caller, Level
from policies.snapshot import Snapshot
from policies.survey.catalogue import CANARY_TAG, Catalogue
from policies.survey.extents import Extents
from policies.survey.moves import Move, touched
from policies.survey.postings import Selection, without
from policies.survey.readers import everybody

EXAMPLES_MAX = 3


@dataclass(frozen=True, slots=True)
class Gain:
    """Documents that become open: how many, examples with the highest level first, and what is new about them.

    `highest_before` is the highest level of what was open before, None where nothing was. `compartments` are
    those of the documents gained.
    """

    documents: int
    examples: tuple[Attributes, ...]
    highest: Level
    highest_before: Level | None
    compartments: frozenset[str]

    @property
    def level_rises(self) -> bool:
        """Whether something above everything that was open before becomes open."""
        return self.highest_before is None or self.highest > self.highest_before


@dataclass(frozen=True, slots=True)
class Loss:
    """Documents that are closed: how many, and examples with the highest level first."""

    documents: int
    examples: tuple[Attributes, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What one caller gains and loses of one action; at least one of the two.

    A document is gained or lost with any of its paragraphs, so that one document can be both.
    """

    caller: Caller
    action: str
    gain: Gain | None
    loss: Loss | None


class Exposure(NamedTuple):
    """A caller who could read a canary, or a paragraph of it, after the edit that she could not read before."""

    caller: Caller
    document: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """The consequences of an edit, sorted by action and caller.

    `people` and `documents` were looked at: all callers known, and the documents of the part that was asked about.
    `actions` are those that the edit touches. `canaries` concern all of them, whatever part was asked about.
    """

    people: int
    documents: int
    actions: tuple[str, ...]
    changes: tuple[Change, ...]
    canaries: tuple[Exposure, ...]

    @property
    def gains(self) -> int:
        """Documents gained, summed over callers and actions."""
        return sum(change.gain.documents for change in self.changes if change.gain)

    @property
    def losses(self) -> int:
        """Documents lost, summed over callers and actions."""
        return sum(change.loss.documents for change in self.changes if change.loss)

    @property
    def gainers(self) -> int:
        """Callers who gain something."""
        return len({change.caller for change in self.changes if change.gain})

    @property
    def losers(self) -> int:
        """Callers who lose something."""
        return len({change.caller for change in self.changes if change.loss})


def simulate(before: Snapshot, after: Snapshot, catalogue: Catalogue, *, within: Selection | None = None) -> Simulation:
    """Compare two policies of one tenant on its documents, for every caller that `readers.people_of` knows of.

    `within` restricts the answer to a part of the documents, as if there were no others, except for canaries.

    Raises:
        ValueError: the policies and the catalogue belong to different tenants.
    """
    people = everybody((before, after), catalogue)
    scope = catalogue.everything if within is None else catalogue.everything & within
    moves = [Move.of(before, after, caller) for caller in people]
    actions = touched(before, after)
    changes: list[Change] = []
    exposed: set[Exposure] = set()
    for action, subjects in actions.items():
        for callers, was, now in _differences(before, after, catalogue, action, subjects, moves):
            gain = _gain(catalogue, was & scope, without(now, was) & scope)
            loss = _loss(catalogue, without(was, now) & scope)
            if gain or loss:
                changes += [Change(caller, action, gain, loss) for caller in callers]
            if action == "read":
                canaries = catalogue.entries(catalogue.tagged(CANARY_TAG) & without(now, was))
                exposed.update(Exposure(caller, entry.document) for entry in canaries for caller in callers)
    return Simulation(
        people=len(people),
        documents=catalogue.count(scope),
        actions=tuple(actions),
        changes=tuple(sorted(changes, key=lambda change: (change.action, _order(change.caller)))),
        canaries=tuple(sorted(exposed, key=lambda exposure: (_order(exposure.caller), exposure.document))),
    )


def _differences(
    before: Snapshot,
    after: Snapshot,
    catalogue: Catalogue,
    action: str,
    subjects: frozenset[str],
    moves: Iterable[Move],
) -> Iterator[tuple[list[Caller], Selection, Selection]]:
    """Callers with equal rights, and what they could act on before and can after, where that differs."""
    alike: defaultdict[tuple[object, ...], list[Move]] = defaultdict(list)
    for move in moves:
        if move.concerned(subjects):
            mentioned = catalogue.mentions(move.caller.subject) or any(
                snapshot.rules_for((move.caller.subject,), action) for snapshot in (before, after)
            )
            alike[_rights(move, mentioned)].append(move)
    old = Extents(before, catalogue, action)
    new = old.after(after, subjects)
    for group in alike.values():
        one = group[0]
        was, now = old.of(one.before), new.of(one.after)
        if was != now:
            yield [move.caller for move in group], was, now


def _rights(move: Move, mentioned: bool) -> tuple[object, ...]:
    """Equal for callers with equal rights: a name of her own counts where something speaks of it."""
    own = frozenset() if mentioned else frozenset({move.caller.subject})
    return (
        move.caller.subject if mentioned else None,
        *((standing.names - own, standing.compartments) for standing in (move.before, move.after)),
    )


def _gain(catalogue: Catalogue, was: Selection, gained: Selection) -> Gain | None:
    highest = catalogue.highest_level(gained)
    if highest is None:
        return None
    return Gain(
        documents=catalogue.count(gained),
        examples=catalogue.examples(gained, EXAMPLES_MAX),
        highest=highest,
        highest_before=catalogue.highest_level(was),
        compartments=catalogue.compartments_in(gained),
    )


def _loss(catalogue: Catalogue, lost: Selection) -> Loss | None:
    return Loss(catalogue.count(lost), catalogue.examples(lost, EXAMPLES_MAX)) if lost else None


def _order(caller: Caller) -> tuple[str, list[str]]:
    return caller.subject, sorted(caller.groups)
