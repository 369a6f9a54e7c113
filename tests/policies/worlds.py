"""The random worlds of the access eval, drawn by Hypothesis, which makes a failing one small."""

from random import Random

from hypothesis import strategies as st

from evals.access.worlds import ACTION as ACTION
from evals.access.worlds import COMPARTMENTS as COMPARTMENTS
from evals.access.worlds import ELSEWHERE as ELSEWHERE
from evals.access.worlds import HOME as HOME
from evals.access.worlds import PEOPLE as PEOPLE
from evals.access.worlds import World as World
from evals.access.worlds import rule, world
from policies.rules import Effect, Rule

_randoms: st.SearchStrategy[Random] = st.randoms(use_true_random=False)


def worlds() -> st.SearchStrategy[World]:
    return st.builds(world, _randoms)


def rules(effect: Effect | None = None) -> st.SearchStrategy[Rule]:
    return st.builds(rule, _randoms, st.just(effect))
