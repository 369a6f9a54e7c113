"""Cascading style sheets as text: rules, in one pass, however they are nested."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

_SEPARATE = re.compile(r"[{};]")
_ALWAYS = re.compile(r"@layer\b.*|@media(?:\s+(?:only\s+)?(?:all|screen))?", re.I | re.S)
_NEVER = re.compile(
    r"@(?:-\w+-)?(?:keyframes|font-face|page|property|counter-style|font-feature-values)\b.*"
    r"|@media\s+(?:only\s+)?(?:print|speech)\b.*",
    re.I | re.S,
)


class Holds(IntEnum):
    """On which screens what stands in an at-rule holds."""

    NEVER = 0
    PERHAPS = 1
    ALWAYS = 2


class Rule(NamedTuple):
    """`certain`: it holds on every screen, of all elements that its selectors name. `nested`: others name them too."""

    selectors: str
    declarations: str
    certain: bool
    nested: bool = False


@dataclass(slots=True)
class _Block:
    """What stands before an opened brace, and what stands in it itself. An at-rule holds rules.

    `around` is the rule that it is nested in, and `perhaps` what such blocks say of the elements of this one.
    """

    prelude: str
    holds: Holds
    around: "_Block | None"
    own: list[str] = field(default_factory=list)
    perhaps: list[str] = field(default_factory=list)

    @property
    def is_at_rule(self) -> bool:
        return self.prelude.startswith("@")


def holds(prelude: str) -> Holds:
    """Of an at-rule."""
    if not prelude.lower().startswith("@media"):
        return (
            Holds.ALWAYS if _ALWAYS.fullmatch(prelude) else Holds.NEVER if _NEVER.fullmatch(prelude) else Holds.PERHAPS
        )
    each = [f"@media {one.strip()}".strip() for one in prelude[6:].split(",")]
    if any(_ALWAYS.fullmatch(one) for one in each):
        return Holds.ALWAYS
    return Holds.NEVER if all(_NEVER.fullmatch(one) for one in each) else Holds.PERHAPS


def rules(sheet: str) -> Iterator[Rule]:
    """Those that may hold on a screen, each without what is nested in it; then that, as rules of their own."""
    text = _without_comments(sheet.replace("<!--", " ").replace("-->", " "))
    at = 0
    blocks: list[_Block] = []
    for mark in _SEPARATE.finditer(text):
        before = text[at : mark.start()]
        at = mark.end()
        if mark.group() == "{":
            blocks.append(_opened(before.strip(), blocks[-1] if blocks else None))
        elif blocks:
            blocks[-1].own.append(before)
            if mark.group() == "}":
                yield from _closed(blocks.pop())


def _opened(prelude: str, above: _Block | None) -> _Block:
    outer = above.holds if above else Holds.ALWAYS
    around = above.around if above and above.is_at_rule else above
    if prelude.startswith("@"):
        return _Block(prelude, min(outer, holds(prelude)), around)
    return _Block(prelude, min(outer, Holds.PERHAPS) if around else outer, around)


def _closed(block: _Block) -> Iterator[Rule]:
    if block.holds is Holds.NEVER:
        return
    if block.around and (block.is_at_rule or "&" in (part.strip()[-1:] for part in block.prelude.split(","))):
        block.around.perhaps += block.own
    if not block.is_at_rule:
        nested = block.around is not None
        yield Rule(block.prelude, ";".join(block.own), block.holds is Holds.ALWAYS, nested)
        yield Rule(block.prelude, ";".join(block.perhaps), certain=False, nested=nested)


def _without_comments(css: str) -> str:
    """One pass, however many are left open."""
    first, *others = css.split("/*")
    return "".join((first, *(other.partition("*/")[2] for other in others)))
