"""Which parts of a document speak to a model instead of a reader. Noticed before masking: masks may hide it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ingestion.chunk import MaskedBlock
from ingestion.parse.document import ParsedDocument
from rag.injection.detect import codes_of

BEFORE_CHARS = 200
"""Of the block before: an order may begin in one and end in the next."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """`title` and `blocks` are codes: of the title, and by number of the block that has any.

    `hidden` are the kinds of hidden content for which the document must be held; none of it is in the blocks.
    """

    title: tuple[str, ...] = ()
    blocks: dict[int, tuple[str, ...]] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """All codes, each once, sorted."""
        return tuple(sorted({*self.title, *self.hidden, *(code for codes in self.blocks.values() for code in codes)}))

    def places(self, blocks: Sequence[MaskedBlock]) -> list[dict[str, Any]]:
        """Page, masked heading and codes of each place, for a person who decides; without text."""
        whole = [*self.title, *self.hidden]
        titled = [{"page": None, "heading": "", "codes": whole}] if whole else []
        found = (
            {"page": blocks[n].page, "heading": blocks[n].heading, "codes": list(c)} for n, c in self.blocks.items()
        )
        return titled + list(found)


def look(parsed: ParsedDocument, hidden: Sequence[str] = ()) -> Noticed:
    """What the detector finds in a document, by place; and the kinds of hidden content it must be held for."""
    found: dict[int, tuple[str, ...]] = {}
    before = ""
    for number, block in enumerate(parsed.blocks):
        codes = codes_of([block.text])
        if before and (joined := codes_of([f"{before}\n{block.text[:BEFORE_CHARS]}"])):
            known = found.get(number - 1, ())
            codes = tuple(sorted({*codes, *(code for code in joined if code not in known)}))
        if codes:
            found[number] = codes
        before = block.text[-BEFORE_CHARS:]
    return Noticed(codes_of([parsed.title]), found, tuple(hidden))
