"""All evals, in the order of worth: what `ringfence eval all` begins with matters most."""

from evals.entries import selftest
from evals.runner.entry import Eval
from evals.runner.measuring import FIRST, LATER, named_among

EVALS: tuple[Eval, ...] = (*FIRST, selftest.selftest, *LATER)


def named(name: str) -> Eval | None:
    """The eval of that name, or of a report of that name (`leak-plant` is one of `leak`)."""
    return named_among(EVALS, name)
