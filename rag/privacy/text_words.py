"""A text in words, as values are looked up in it."""

import re
from itertools import accumulate

from rag.privacy.known_values import START_CHARS, WORD, fold

_WORD_CHARS_MAX = 64
_SPLIT = re.compile(f"({WORD.pattern})")
_SPLIT_ASCII = re.compile(r"([A-Za-z0-9]+(?:'[A-Za-z0-9]+)*)")
"""The same where there are no other letters, several times faster."""


class TextWords:
    """A text in words, `pieces[2n + 1]` being word n and the rest what stands between them; and the words folded.

    Made by few calls over the whole text: a step for each word would cost more than all that is looked up.
    """

    __slots__ = ("folded", "joined", "offsets", "pieces", "places")

    def __init__(self, text: str) -> None:
        self.pieces: list[str] = (_SPLIT_ASCII if text.isascii() else _SPLIT).split(text)
        words = self.pieces[1::2]
        # No word holds a line break.
        self.folded = "\n".join(words).lower().split("\n") if words else []
        if not text.isascii() or "'" in text:
            special = {word for word in set(words) if not (word.isascii() and word.isalnum())}
            self.folded = [
                _folded(word) if word in special else lower for word, lower in zip(words, self.folded, strict=True)
            ]
        self.places = list(accumulate(map(len, self.pieces), initial=0))
        self.offsets: list[int] = []
        self.joined = ""

    def join(self) -> list[str]:
        """Join the words for compact values, and return what begins at each of them."""
        self.joined = "".join(self.folded)
        self.offsets = list(accumulate(map(len, self.folded), initial=0))
        return [self.joined[place : place + START_CHARS] for place in self.offsets[:-1]]

    def is_initial(self, number: int) -> bool:
        """Whether a word has a capital; `A` and `I` are words where no full stop follows."""
        word, behind = self.pieces[2 * number + 1 : 2 * number + 3]
        return word[0].isupper() and (word not in ("A", "I") or behind.startswith("."))

    def span(self, first: int, last: int) -> tuple[int, int]:
        return self.places[2 * first + 1], self.places[2 * last + 2]

    def joins(self, first: int, last: int, gap: "re.Pattern[str]") -> bool:
        # Most often it is one space: asked first, as a pattern costs ten times as much.
        return all(
            between == " " or gap.fullmatch(between) for between in self.pieces[2 * first + 2 : 2 * last + 1 : 2]
        )


def _folded(word: str) -> str:
    """A longer run is no word of anybody's."""
    return fold(word) if len(word) <= _WORD_CHARS_MAX else ""
