"""What `ringfence index tune` made, as it is printed."""

from dataclasses import dataclass, field
from typing import Any

from policies.terminal import folding
from rag.api.commands.options import out
from rag.api.commands.tuned_index import Built
from rag.query.tuning.gate import Gate
from rag.query.tuning.making import Made


@dataclass
class Tuned:
    """What a run has made so far, and whether it may be made the live index."""

    tenant: str
    made: Made
    gates: tuple[Gate, ...]
    built: Built | None = None
    promoted: bool = False
    discarded: bool = False
    left: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(gate.holds for gate in self.gates)

    def as_json(self) -> dict[str, Any]:
        model, card = self.made.model, self.made.card
        return {
            "tenant": self.tenant,
            "model": {"name": model.name, "path": str(model.folder), "sha256": model.sha256},
            "documents": len(card["documents"]),
            "held_out": len(card["held_out"]),
            **{name: card[name] for name in ("pairs", "feedback_pairs", "questions", "feedback_questions", "figures")},
            "made_with": card["made_with"],
            "gates": [gate.as_json() for gate in self.gates],
            "holds": self.holds,
            "index": None if self.built is None else self.built.number,
            "missing": None if self.built is None else self.built.missing,
            "promoted": self.promoted,
            "discarded": self.discarded,
            "next": self.left,
        }


def tell_what_is_left(tuned: Tuned, *, built: bool) -> None:
    """The commands that go on from here, or back."""
    model, of = tuned.made.model, f"--tenant {tuned.tenant}"
    if tuned.discarded:
        return
    if tuned.promoted:
        tuned.left.append(f"ringfence index rollback {of}")
    elif tuned.built is not None:
        number = tuned.built.number
        if tuned.built.missing:
            tuned.left += [f"ringfence index catch-up SOURCE {of}", f"ringfence index compare {of}"]
        if tuned.holds:
            tuned.left.append(f"ringfence index promote {number} {of}")
        tuned.left.append(f"ringfence index drop {number} {of}")
    elif not built:
        tuned.left.append(f"ringfence index build SOURCE --model {model.folder} --sha256 {model.sha256} {of}")


def print_tuned(tuned: Tuned) -> None:
    card = tuned.made.card
    table = folding("gate", "before", "after", "needed", "holds")
    for gate in tuned.gates:
        holds = "yes" if gate.holds else "NO"
        table.add_row(gate.name, f"{gate.before:g}", f"{gate.after:g}", f"{gate.gain:+g}", holds)
    out().print(table)
    what = "discarded" if tuned.discarded else "the live index" if tuned.promoted else "made; nothing was switched"
    out().print(
        f"{tuned.made.model.name}: {what}. Trained on {card['pairs']} pairs ({card['feedback_pairs']} of feedback) of "
        f"{len(card['documents'])} documents; {card['questions']} questions of {len(card['held_out'])} others, and "
        f"{card['feedback_questions']} of feedback, were held out.",
        markup=False,
    )
    if tuned.built is not None and tuned.built.missing:
        out().print(f"{tuned.built.missing} documents are not in index {tuned.built.number} yet.")
    for command in tuned.left:
        out().print(f"  {command}", markup=False)
