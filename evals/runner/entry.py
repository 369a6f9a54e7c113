"""What the registry says of an eval, and the options that several of them share.

An eval is a function with Typer's annotations for its options and a docstring for its help. It checks the options and
returns what measures; `entry` names it and says what it needs. Libraries of what is measured are imported in the
function: seconds that `--help` and the other evals do not need.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from evals.runner.report import Report
from rag.errors import Misuse

DEFAULT_DATA = Path(__file__).parents[1] / "data"
DATA_VARIABLE = "RINGFENCE_EVAL_DATA"


class Against(StrEnum):
    """Which sample company is measured: a new one, or the one in the data folder that the settings name."""

    FRESH = "fresh"
    LIVE = "live"


class PlantIn(StrEnum):
    """Where a run beside a live service plants: in tenants of its own, or in the named existing ones as well."""

    TEST = "test"
    ALL = "all"


Talk = Callable[[str], None]
"""Takes one line of progress."""
Measure = Callable[[Talk], Awaitable[Report]]
"""Measures, tells how far it is, and returns the figures with the gates that compare them with each other."""

Data = Annotated[Path, typer.Option("--data", envvar=DATA_VARIABLE, help="Folder with the public data sets.")]
Company = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Data folder with the sample company in it. Default: a new one, filled here and thrown away.",
    ),
]
AgainstOption = Annotated[
    Against | None,
    typer.Option(
        "--against",
        help="The sample company in a new folder that is thrown away, or in the data folder that the settings name, "
        "while no service runs on it.",
        show_default="fresh",
    ),
]
"""Every eval with `data_dir` has it; one that declares `against` itself means what it says there."""
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many questions: a quick look, not a result.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Only this set; may be given several times.")]


def chosen_sets(given: list[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those that were given with `--set`, in the order of `known`; all of them where none was.

    Raises:
        Misuse: there is no such set.
    """
    for name in given or ():
        if name not in known:
            raise Misuse(f"There is no set {name!r}; there are {', '.join(known)}.", code="no_set")
    return tuple(name for name in known if not given or name in given)


@dataclass(frozen=True, slots=True)
class Usual:
    """One run of `ringfence eval all`: the command line after the name, and minutes on two cores."""

    arguments: tuple[str, ...] = ()
    minutes: float = 5.0


@dataclass(frozen=True, slots=True)
class Eval:
    """One eval of the registry.

    `prints` is the function that prints its report, as `module:name`. `sets` are folders below `--data` without which
    it measures nothing, `also` such that it takes in where they are there. `packages` are modules that must be
    installed, with what installs them; `model_server` says that the settings must name one. `usual` is what `eval all`
    runs: nothing for an eval that is only run by hand.
    """

    name: str
    prepare: Callable[..., Measure]
    prints: str
    sets: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    model_server: bool = False
    usual: tuple[Usual, ...] = ()

    @property
    def help(self) -> str:
        """The docstring of its function, as one line."""
        return " ".join((self.prepare.__doc__ or "").split())

    @property
    def needs(self) -> tuple[str, ...]:
        """What has to be there, in words."""
        sets = tuple(f"set {name}" for name in self.sets)
        packages = tuple(f"package {module}" for module, _ in self.packages)
        return (*sets, *packages, *(("model server",) if self.model_server else ()))

    def check_packages(self) -> None:
        """Return if its packages are installed.

        Raises:
            Misuse: one is not; the message says how to get it.
        """
        for module, how in self.packages:
            if find_spec(module) is None:
                raise Misuse(f"{module} is not installed: {how}.", code="not_installed")


def entry(
    name: str,
    *,
    prints: str = "evals.runner.printing:print_figures",
    sets: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
    packages: tuple[tuple[str, str], ...] = (),
    model_server: bool = False,
    usual: tuple[Usual, ...] = (),
) -> Callable[[Callable[..., Measure]], Eval]:
    """Make an `Eval` of the function below; it takes its place in `evals.runner.registry.EVALS`."""

    def named(prepare: Callable[..., Measure]) -> Eval:
        return Eval(name, prepare, prints, sets, also, packages, model_server, usual)

    return named
