"""What a simulation tells. That it is exact is the law of tests/laws/test_simulation.py."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from policies.rules import SELF, Attributes, Caller, Effect, Level, RoleLink, Rule, Tightening
from policies.simulate import EXAMPLES_MAX, Change, Exposure, Gain, Loss, Simulation, simulate
from policies.snapshot import Snapshot
from policies.survey.catalogue import CANARY_TAG, Catalogue
from policies.survey.readers import STAND_IN

ANN, BEN = Caller("t", "user:ann"), Caller("t", "user:ben")
WALL = "compartment:north"
NOTES = Attributes("t", "notes", "it", Level.INTERNAL)
PLANS = Attributes("t", "plans", "it", Level.RESTRICTED, compartments=frozenset({WALL}))
TRAP = Attributes("t", "trap", "vault", Level.SECRET, tags=frozenset({CANARY_TAG}))
CATALOGUE = Catalogue((NOTES, PLANS, TRAP))
INTERNAL = Rule("role:r", "t", "read", level=Level.INTERNAL)
IT = Rule("role:r", "t", "read", department="it")
IN_R = RoleLink("user:ann", "role:r", "t")
IN_R_TOO = RoleLink("user:ben", "role:r", "t")
BEHIND_THE_WALL = RoleLink("user:ann", WALL, "t")


def snapshot(*lines: Rule | RoleLink) -> Snapshot:
    return Snapshot(
        "t",
        1,
        [line for line in lines if isinstance(line, Rule)],
        [line for line in lines if isinstance(line, RoleLink)],
    )


def simulated(
    before: Sequence[Rule | RoleLink], after: Sequence[Rule | RoleLink], within: int | None = None
) -> Simulation:
    return simulate(snapshot(*before), snapshot(*after), CATALOGUE, within=within)


def test_a_gain_is_marked_where_the_level_rises_and_a_wall_is_passed() -> None:
    found = simulated((INTERNAL, IN_R, BEHIND_THE_WALL), (INTERNAL, IT, IN_R, BEHIND_THE_WALL))
    gain = Gain(1, (PLANS,), Level.RESTRICTED, Level.INTERNAL, frozenset({WALL}))
    assert found.changes == (Change(ANN, "read", gain, None),)
    assert gain.level_rises


def test_a_gain_at_a_level_known_before_is_not_marked() -> None:
    vault = Rule("role:r", "t", "read", department="vault")
    (change,) = simulated((vault, IN_R), (vault, INTERNAL, IN_R)).changes
    assert change.gain == Gain(1, (NOTES,), Level.INTERNAL, Level.SECRET, frozenset())
    assert not change.gain.level_rises


def test_whoever_could_do_nothing_before_rises() -> None:
    (change,) = simulated((INTERNAL,), (INTERNAL, IN_R)).changes
    assert change.gain == Gain(1, (NOTES,), Level.INTERNAL, None, frozenset())
    assert change.gain.level_rises


def test_a_loss_is_counted_with_examples() -> None:
    (change,) = simulated((IT, IN_R, BEHIND_THE_WALL), (IT, IN_R)).changes
    assert change == Change(ANN, "read", None, Loss(1, (PLANS,)))


def test_callers_are_counted_once_and_documents_for_each_of_them() -> None:
    found = simulated((IN_R, IN_R_TOO), (INTERNAL, replace(INTERNAL, action="delete"), IN_R, IN_R_TOO))
    assert [(change.caller, change.action) for change in found.changes] == [
        (ANN, "delete"),
        (BEN, "delete"),
        (ANN, "read"),
        (BEN, "read"),
    ]
    assert (found.gains, found.gainers, found.losses, found.losers) == (4, 2, 0, 0)
    assert (found.people, found.documents, found.actions) == (2, 3, ("delete", "read"))


def test_anyone_whom_the_identity_provider_puts_in_a_group_is_simulated() -> None:
    in_group = RoleLink("group:g", "role:r", "t")
    (change,) = simulated((INTERNAL,), (INTERNAL, in_group)).changes
    assert change.caller == Caller("t", STAND_IN, frozenset({"group:g"}))


def test_those_who_differ_in_nothing_but_what_they_own_are_told_apart() -> None:
    catalogue = Catalogue((replace(NOTES, owner="user:ann"),))
    own = Rule("role:r", "t", "read", owner=SELF)
    found = simulate(snapshot(IN_R, IN_R_TOO), snapshot(own, IN_R, IN_R_TOO), catalogue)
    assert [(change.caller, change.gain is not None) for change in found.changes] == [(ANN, True)]


def test_examples_are_few() -> None:
    catalogue = Catalogue(replace(NOTES, document=f"d{n}") for n in range(50))
    (change,) = simulate(snapshot(IN_R), snapshot(INTERNAL, IN_R), catalogue).changes
    assert change.gain is not None
    assert (change.gain.documents, len(change.gain.examples)) == (50, EXAMPLES_MAX)


def test_a_document_can_be_gained_and_lost_with_different_paragraphs() -> None:
    walled = NOTES.tightened(Tightening(compartments=frozenset({WALL})))
    closed = NOTES.tightened(Tightening(denied_shares=frozenset({"role:x"})))
    catalogue = Catalogue((NOTES, walled, closed))
    moved = (RoleLink("role:r", WALL, "t"), RoleLink("role:r", "role:x", "t"))
    (change,) = simulate(snapshot(INTERNAL, IN_R), snapshot(INTERNAL, IN_R, *moved), catalogue).changes
    assert change.gain is not None
    assert (change.gain.documents, change.gain.examples) == (1, (walled,))
    assert change.loss == Loss(1, (closed,))


def test_every_canary_that_becomes_readable_is_told_even_outside_of_the_part_asked_about() -> None:
    before, after = (INTERNAL, IN_R, IN_R_TOO), (Rule("role:r", "t", "read"), IN_R, IN_R_TOO)
    exposed = (Exposure(ANN, "trap"), Exposure(BEN, "trap"))
    assert simulated(before, after).canaries == exposed
    part = simulated(before, after, within=0b001)
    assert (part.canaries, part.changes) == (exposed, ())


def test_a_canary_is_told_only_when_it_becomes_readable() -> None:
    everything = Rule("role:r", "t", "read")
    already = simulated((everything, IN_R), (everything, INTERNAL, IN_R))
    relabelled = simulated((IN_R,), (replace(everything, action="relabel"), IN_R))
    assert already.canaries == relabelled.canaries == ()
    assert len(simulated((IN_R,), (everything, IN_R)).canaries) == 1


def test_a_part_of_the_documents_is_answered_about_alone() -> None:
    found = simulated((IN_R,), (Rule("role:r", "t", "read"), IN_R), within=0b001)
    (change,) = found.changes
    assert change.gain == Gain(1, (NOTES,), Level.INTERNAL, None, frozenset())
    assert found.documents == 1
    assert simulated((IN_R,), (Rule("role:r", "t", "read"), IN_R), within=0).changes == ()


def test_a_denial_takes_away() -> None:
    deny = Rule("role:r", "t", "read", effect=Effect.DENY)
    found = simulated((INTERNAL, IN_R), (INTERNAL, deny, IN_R))
    assert (found.gains, found.losses, found.losers) == (0, 1, 1)


def test_policies_and_documents_of_different_tenants_are_not_compared() -> None:
    other = Snapshot("other", 1, (), ())
    with pytest.raises(ValueError, match="exactly one tenant"):
        simulate(snapshot(), other, CATALOGUE)
    with pytest.raises(ValueError, match="exactly one tenant"):
        simulate(other, other, CATALOGUE)
    assert simulate(other, other, Catalogue(())).changes == ()
