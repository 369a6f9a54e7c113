"""What the self-test registers for an eval: a run of it that is small, and what is broken in it on purpose."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from evals.runner.values import Json

Broken = Callable[[], AbstractContextManager[object]]
"""A context in which a part of what is measured does less than it should."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted failure. It is noticed where, of a run that was right without it, a gate in `fails` does not hold.

    `fails` are figures of gates, `*` for any part of a name. `worse` is for thresholds that only a large run can be
    held to: figures, each of which must come out worse by so much, in its own unit.
    """

    name: str
    broken: Broken
    fails: tuple[str, ...] = ()
    worse: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fails and not self.worse:
            raise ValueError(f"nothing says how the fault {self.name!r} would be noticed")


@dataclass(frozen=True, slots=True)
class Trial:
    """A run of `eval` with these `options` of its command, which must pass, and faults with each of which it must not.

    `company` says that it runs on the sample company, `served` that a service runs on that meanwhile, which the
    settings name, and `sets` which public sets it needs: it is given their folder. `narrowed` makes it smaller where no
    option does. `beyond` are gates that a run of this size cannot hold, such as times on a machine that is busy: they
    count neither for the run nor against a fault.
    """

    eval: str
    faults: tuple[Fault, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    company: bool = False
    served: bool = False
    sets: tuple[str, ...] = ()
    narrowed: Broken = nullcontext
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Noticed:
    """How one fault came out: `by` are the gates that failed because of it, and figures that came out so much worse.

    `broke` is the error with which the run ended before there was a report, which is not noticing.
    """

    fault: str
    by: tuple[str, ...]
    broke: str
    seconds: float

    @property
    def holds(self) -> bool:
        return bool(self.by) and not self.broke

    def record(self) -> dict[str, Json]:
        told: dict[str, Json] = {"noticed": self.holds, "by": list(self.by), "seconds": round(self.seconds, 1)}
        return told | ({"broke": self.broke} if self.broke else {})


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial: `twin` are the gates that failed with nothing broken, or the error with which that run ended.

    `missing` says what it needs and was not there; then nothing was run.
    """

    trial: Trial
    twin: tuple[str, ...] = ()
    seconds: float = 0.0
    faults: tuple[Noticed, ...] = ()
    missing: str = ""
