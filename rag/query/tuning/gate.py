"""Whether a tuned model is good enough: figures before and after, and how much has to lie between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gate:
    """`after` has to be at least `gain` above `before`."""

    name: str
    before: float
    after: float
    gain: float = 0.0

    @property
    def holds(self) -> bool:
        # Figures have four digits. Not `<`: no number does not hold.
        return round(self.after - self.before, 4) >= self.gain

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "gain_min": self.gain,
            "holds": self.holds,
        }


def gates_of(figures: Mapping[str, Mapping[str, Mapping[str, float]]], gain: float) -> tuple[Gate, ...]:
    """Of the vectors alone: held-out questions are answered better by `gain`, those of feedback not worse."""
    least = {"held_out": gain, "feedback": 0.0}
    return tuple(
        Gate(f"{name} ndcg10_ratio", one["before"]["ndcg10_ratio"], one["after"]["ndcg10_ratio"], least[name])
        for name, one in figures.items()
    )


def gates_of_comparison(name: str, figures: Mapping[str, Any], margin: float) -> tuple[Gate, ...]:
    """Of the index's own search, as `index compare` found it: not worse by more than `margin`."""
    return tuple(
        Gate(f"index {name} {one}", float(figures[f"live_{one}"]), float(figures[one]), -margin)
        for one in ("hit5_ratio", "mrr_ratio")
    )
