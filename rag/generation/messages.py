"""Prompts: text files beside this one, filled with passages first and the question last.

The order lets a server reuse the work on the passages for the next question about them. Retrieved text stands
between delimiters that it cannot itself contain, each line of it behind a mark that it cannot know.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from rag.domain import digest_of
from rag.generation.marks import marked
from rag.generation.protocol import GenerationRequest, Passage

NOT_FOUND = "NOT_FOUND"
"""What the prompt tells a model to write when the passages do not answer."""

Message: TypeAlias = dict[str, str]

_DELIMITER = re.compile(r"<(?=\s*/?\s*passage\b)", re.IGNORECASE)
_INERT = "\u2039"
_SLOT = re.compile(r"\{(\w+)\}")
_NAMES = ("system", "passages", "passage", "noticed", "question", "one_passage")


@dataclass(frozen=True, slots=True)
class Prompts:
    """The texts by name, and `version`: a digest over all of them, for records."""

    texts: dict[str, str]
    version: str

    def fill(self, prompt: str, **values: str) -> str:
        """Put values into the named slots, once: braces inside a value are not slots."""
        return _SLOT.sub(lambda slot: values[slot.group(1)], self.texts[prompt])


@cache
def load_prompts() -> Prompts:
    """The prompts of this release, read once."""
    folder = files("rag.generation") / "prompts"
    texts = {name: (folder / f"{name}.txt").read_text(encoding="utf-8").strip() for name in _NAMES}
    return Prompts(texts, digest_of(part for name in _NAMES for part in (name, texts[name])).hex()[:16])


def build_messages(prompts: Prompts, request: GenerationRequest) -> list[Message]:
    """System, passages, question. Equal passages in equal order give equal beginnings, whatever is asked."""
    passages = "\n\n".join(_passage(prompts, passage, request.mark) for passage in request.passages)
    user = prompts.fill("passages", passages=passages) + "\n\n" + prompts.fill("question", question=request.question)
    system = prompts.fill("system", mark=request.mark)
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _passage(prompts: Prompts, passage: Passage, mark: str) -> str:
    title = marked(" ".join(_DELIMITER.sub(_INERT, passage.title).replace('"', "'").split()), mark)
    text = marked(_DELIMITER.sub(_INERT, passage.text), mark)
    # Our own words: the only line between the delimiters that bears no mark.
    note = f"{prompts.texts['noticed']}\n" if passage.noticed else ""
    return prompts.fill("passage", number=str(passage.number), title=title, note=note, text=text)
