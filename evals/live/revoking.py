"""What was once given is not given again: the same questions before and after everything is taken from somebody.

Asked twice before, so that whatever remembers answers has them; then with the conversation that led there, and by the
links that she was given.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.leak.judge import Findings, Judge
from evals.leak.outputs import Output
from evals.leak.surfaces import Caller
from evals.live.planting import PlantedSection
from evals.live.sweep import NOWHERE, LiveWorld

SECTIONS = 2
"""Of those that she may read."""


@dataclass(slots=True)
class Revoked:
    """How often something was found before, and how many calls were made after."""

    people: int = 0
    found_before: int = 0
    asked_after: int = 0


async def ask_before_and_after(
    caller: Caller,
    world: LiveWorld,
    planted: Sequence[PlantedSection],
    revoke: Callable[[], Awaitable[LiveWorld]],
    findings: Findings,
    revoked: Revoked,
) -> None:
    """`revoke` takes everything from the caller and returns the world as it is then."""
    before = Judge(caller, world, findings)
    shown = [section for section in planted if section.stored.name in before.readable][:SECTIONS]
    for section in shown:
        for _ in range(2):
            for surface, ask in _questions(caller, section).items():
                output = await ask()
                before.look(surface, _asked(section), output)
                revoked.found_before += section.stored.document in output.documents or (
                    surface == "passage" and output.found
                )
    after = Judge(caller, await revoke(), findings)
    nowhere = await caller.get(NOWHERE)
    revoked.people += bool(shown)
    for section in shown:
        if section.stored.name in after.readable:
            continue  # by a share, or as the owner
        for surface, ask in _questions(caller, section).items():
            output = await ask()
            revoked.asked_after += 1
            after.look(f"revoked:{surface}", _asked(section), output)
            if surface == "passage" and output.status != nowhere.status:
                after.leaked("revoked:passage", section.stored.document, section.stored.name)


def _asked(section: PlantedSection) -> str:
    stored = section.stored
    return f"{section.questions[0]} {stored.document} {stored.version}"


def _questions(caller: Caller, section: PlantedSection) -> Mapping[str, Callable[[], Awaitable[Output]]]:
    asked = section.questions[0]
    return {
        "search": lambda: caller.search(asked),
        "chat": lambda: caller.chat(asked),
        "stream": lambda: caller.stream(asked),
        "mcp_search": lambda: caller.mcp_search(asked),
        "history": lambda: caller.post("/v1/chat/completions", _conversation(asked)),
        "passage": lambda: caller.open(section.stored, section.stored.spans[0]),
    }


def _conversation(asked: str) -> dict[str, Any]:
    """The question once more, after it was asked and answered."""
    turns = [("user", asked), ("assistant", "It was answered before, with a citation."), ("user", asked)]
    return {"model": "ringfence", "messages": [{"role": role, "content": said} for role, said in turns]}
