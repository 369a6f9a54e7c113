"""Places that a model guesses or that everybody knows: parts of addresses, or a PLACE by themselves."""

import re
from collections.abc import Iterator, Sequence

from rag.privacy.addresses import Part
from rag.privacy.guesses import Guess
from rag.privacy.lexicon import Lexicon

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_COUNTRY_WORDS_MAX = 4


class PlaceFinder:
    """Finds countries by their names and weighs guessed places. Holds no text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._first_words = frozenset(name.split()[0] for name in lexicon.countries)

    def parts(self, text: str, guesses: Sequence[Guess]) -> Iterator[Part]:
        for guess in guesses:
            if guess.label == "PLACE":
                start, end = guess.start, guess.end
                lead = re.match(r"(?:the|in|at|to)\s", text[start:end], re.IGNORECASE)
                if lead:
                    start += lead.end()
                words = [word.casefold() for word in _WORD.findall(text[start:end])]
                if words and not text[start:end].islower() and not all(map(self._lexicon.is_office, words)):
                    yield Part(start, end, sure=False, score=0.8)
        yield from self._countries(text)

    def _countries(self, text: str) -> Iterator[Part]:
        words = list(_WORD.finditer(text))
        folded = [word[0].casefold() for word in words]
        position = 0
        while position < len(words):
            count = self._country_at(folded, position) if folded[position] in self._first_words else 0
            if count:
                yield Part(words[position].start(), words[position + count - 1].end(), sure=False, score=0.9)
            position += max(count, 1)

    def _country_at(self, folded: Sequence[str], position: int) -> int:
        """Of how many words the longest name is that begins here."""
        for count in range(min(_COUNTRY_WORDS_MAX, len(folded) - position), 0, -1):
            if " ".join(folded[position : position + count]) in self._lexicon.countries:
                return count
        return 0
