"""A form: an entity and the patterns of its values. Patterns are bounded, so time stays linear in the text."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """An entity and its patterns. The group `value`, if a pattern has one, is what is masked."""

    entity: str
    score: float
    patterns: tuple[re.Pattern[str], ...]
    accept: Callable[[str], bool] = lambda value: True
    hints: tuple[str, ...] = ()
    """In lower case; one of them stands in every text with such a value. Looking for them first costs little."""


def form(
    entity: str,
    score: float,
    *patterns: str,
    any_case: bool = False,
    accept: Callable[[str], bool] = lambda value: True,
    hints: tuple[str, ...] = (),
) -> Form:
    flags = re.IGNORECASE if any_case else re.NOFLAG
    compiled = tuple(re.compile(pattern, flags) for pattern in patterns)
    return Form(entity, score, compiled, accept, hints)
