"""A directory of names for `--directory`: what finding gains when a tenant tells whom it knows."""

import re
from collections.abc import Iterable, Sequence

from rag.privacy.findings import Finding

WORDS_MAX = 6
SHARE = 0.9
"""Of the names: nobody's directory is complete."""
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


class NameDirectory:
    """Names by their words, in any case, looked up by hash: time linear in the text."""

    def __init__(self, names: Iterable[str]) -> None:
        sequences = (tuple(word.casefold() for word in _WORD.findall(name)) for name in names)
        self._names = frozenset(words for words in sequences if 0 < len(words) <= WORDS_MAX)

    def find(self, text: str) -> Sequence[Finding]:
        """The longest name from each word on."""
        words = list(_WORD.finditer(text))
        folded = tuple(word[0].casefold() for word in words)
        found: list[Finding] = []
        position = 0
        while position < len(words):
            longest = min(WORDS_MAX, len(words) - position)
            count = next((n for n in range(longest, 0, -1) if folded[position : position + n] in self._names), 0)
            if count:
                found.append(Finding(words[position].start(), words[position + count - 1].end(), "PERSON", 0.95))
            position += max(count, 1)
        return found


def most_of(names: Sequence[str]) -> list[str]:
    """Nine of ten of the names, evenly taken."""
    return [name for number, name in enumerate(names) if number % 10 < round(SHARE * 10)]
