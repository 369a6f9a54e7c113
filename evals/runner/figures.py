"""Figures of a report by dotted names: `authorization.100000.warm_ms_p95`. Keys may hold dots themselves."""

from collections.abc import Iterator, Mapping

from evals.runner.values import Json


def figures_at(figures: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Every figure that `path` names, with its name; `*` stands for one key, whatever it is."""
    if not isinstance(figures, Mapping):
        return
    if path == "*":
        yield from figures.items()
    elif path in figures:
        yield path, figures[path]
    elif path.startswith("*."):
        for key, inner in figures.items():
            yield from ((f"{key}.{name}", value) for name, value in figures_at(inner, path[2:]))
    else:
        for key, inner in figures.items():
            if path.startswith(f"{key}."):
                yield from ((f"{key}.{name}", value) for name, value in figures_at(inner, path[len(key) + 1 :]))


def as_number(value: Json) -> float | None:
    """A number, also of true and false; None of anything else."""
    return float(value) if isinstance(value, bool | int | float) else None


def numbers(figures: Mapping[str, Json], before: str = "") -> Iterator[tuple[str, float]]:
    """Every number in `figures` and the mappings in them by its dotted name. Lists are left out: they have no names."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{before}{key}.")
        elif (number := as_number(value)) is not None:
            yield f"{before}{key}", number
