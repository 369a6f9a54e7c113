"""Which figures of a report are worth a plot: shares by kind, latencies by stage, curves, and a figure by run."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evals.runner.figures import as_number, figures_at
from evals.runner.kept import at_of
from evals.runner.report import figures_of
from evals.runner.values import Json

PLOTS_MAX = 8
HISTORY_MAX = 4
LABELS_MAX = 40
"""More bars than that say nothing that the table does not say better."""


class Form(StrEnum):
    BARS = "bars"
    LINES = "lines"


@dataclass(frozen=True, slots=True)
class Plot:
    """`series` by name: with `BARS` one value for each label (None where there is none), with `LINES` points (x, y)."""

    title: str
    form: Form
    labels: tuple[str, ...]
    bars: Mapping[str, Sequence[float | None]]
    lines: Mapping[str, Sequence[tuple[float, float]]]


def bars(title: str, labels: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Plot:
    """A group of bars for each label."""
    return Plot(title, Form.BARS, tuple(labels), series, {})


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], labels: Sequence[str] = ()) -> Plot:
    """A line for each series; `labels` name the positions 0, 1, ... on the x-axis where it has no numbers."""
    return Plot(title, Form.LINES, tuple(labels), {}, series)


def plots_of(figures: Mapping[str, Json]) -> list[Plot]:
    """The plots of one report, what stands at its top first, and no more than `PLOTS_MAX`."""
    found: list[Plot] = []
    waiting: deque[tuple[Json, str]] = deque([(figures, "")])
    while waiting and len(found) < PLOTS_MAX:
        value, path = waiting.popleft()
        plots = _of(value, path)
        found += plots
        if isinstance(value, Mapping):
            grouped = any(plot.title == _title(path) for plot in plots)
            # What stands in a plot of groups needs none by itself.
            waiting += [
                (inner, f"{path}.{name}" if path else name)
                for name, inner in value.items()
                if not (grouped and _shares(inner, ""))
            ]
    return found[:PLOTS_MAX]


def history_of(records: Sequence[Mapping[str, Json]]) -> list[Plot]:
    """What the gates of the newest of these runs name and what differed among them, over time; oldest first."""
    if len(records) < 2:
        return []
    gates = records[-1].get("gates")
    told = [gate for gate in gates if isinstance(gate, Mapping)] if isinstance(gates, list) else []
    names = dict.fromkeys(str(gate["figure"]) for gate in told)
    found: list[Plot] = []
    for name in names:
        values = [_one(record, name) for record in records]
        points = [(float(at), value) for at, value in enumerate(values) if value is not None]
        if len({value for _, value in points}) > 1:
            found.append(lines(f"{name} by run", {name: points}, [at_of(record)[:16] for record in records]))
    return found[:HISTORY_MAX]


def _of(value: Json, path: str) -> list[Plot]:
    """Those of this mapping or list itself."""
    if isinstance(value, Mapping):
        return [plot for plot in (_stages(value, path), _shares(value, path), _groups(value, path)) if plot]
    curve = _curve(value, path) if isinstance(value, list) else None
    return [curve] if curve is not None else []


def _stages(value: Mapping[str, Json], path: str) -> Plot | None:
    """`NAME_ms_p50` beside `NAME_ms_p95`, of two stages or more."""
    stages = [name.removesuffix("_ms_p50") for name in value if name.endswith("_ms_p50")]
    if not 2 <= len(stages) <= LABELS_MAX:
        return None
    series = {
        f"{percent}th percentile" if percent == "95" else "median": [
            as_number(value.get(f"{stage}_ms_p{percent}")) for stage in stages
        ]
        for percent in ("50", "95")
    }
    return bars(f"Milliseconds by stage{_in(path)}", stages, series)


def _shares(value: Json, path: str) -> Plot | None:
    """A mapping of nothing but shares, of three kinds or more."""
    if not isinstance(value, Mapping):
        return None
    shares = {name: as_number(share) for name, share in value.items()}
    if not 3 <= len(shares) <= LABELS_MAX or not all(_is_share(value[name]) for name in shares):
        return None
    return bars(path, list(shares), {path: list(shares.values())})


def _groups(value: Mapping[str, Json], path: str) -> Plot | None:
    """Two kinds or more that have the same shares: a bar for each share."""
    rows = {name: row for name, row in value.items() if isinstance(row, Mapping)}
    if not 2 <= len(rows) <= LABELS_MAX:
        return None
    first = next(iter(rows.values()))
    common = [key for key in first if "_ms_" not in key and all(_is_share(row.get(key)) for row in rows.values())]
    if not 1 <= len(common) <= 6:
        return None
    return bars(_title(path), list(rows), {key: [as_number(row[key]) for row in rows.values()] for key in common})


def _curve(rows: list[Json], path: str) -> Plot | None:
    """Rows of the same numbers: the first is x. Or pairs."""
    if len(rows) < 5:
        return None
    if all(isinstance(row, Mapping) for row in rows):
        tables = [row for row in rows if isinstance(row, Mapping)]
        x, *others = list(tables[0])
        if others and all(as_number(row.get(key)) is not None for row in tables for key in (x, *others)):
            points = {key: [(_number(row[x]), _number(row[key])) for row in tables] for key in others}
            return lines(f"{path} by {x}", points)
        return None
    pairs = [row for row in rows if isinstance(row, list) and len(row) == 2 and None not in map(as_number, row)]
    if len(pairs) == len(rows):
        return lines(path, {path: [(_number(x), _number(y)) for x, y in pairs]})
    return None


def _is_share(value: Json) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def _number(value: Json) -> float:
    number = as_number(value)
    assert number is not None
    return number


def _one(record: Mapping[str, Json], name: str) -> float | None:
    found = [value for _, value in figures_at(figures_of(record), name)]
    return as_number(found[0]) if len(found) == 1 else None


def _title(path: str) -> str:
    return path or "By kind"


def _in(path: str) -> str:
    return f": {path}" if path else ""
