"""Names of people: what the model guesses and what the place in the text says, weighed by simple rules.

The model alone takes headings, products and roles for people and loses names in upper or lower case. So a guess is cut
at what no name contains, and refused when its words are those of an office; and names are also looked for wherever a
common given name is followed by a capitalised word. `cues` looks where something points at a name.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from rag.privacy.faces import TITLES
from rag.privacy.lexicon import Lexicon
from rag.privacy.sentences import is_inside, opens_sentence

ACRONYM_CHARS_MAX = 5
"""So many capitals are an abbreviation, more are a name in capitals."""
WORD = r"[^\W\d_]+(?:['\u2019\u2010-][^\W\d_]+)*"
PARTICLES = frozenset(
    {"de", "del", "della", "di", "da", "van", "von", "der", "den", "ter", "la", "le", "bin", "al", "el"}
)
WORDS = re.compile(WORD)
_CUT = re.compile(r"[^\w.'\u2019\u2010 \u00a0-]|_|\d|\s{2,}|\.(?=\s[^\W\d_]{2,}\s*[.])")
_GAP = re.compile(r"[ \u00a0]{1,2}|\.[ \u00a0]?")
_POSSESSIVE = re.compile(r"['\u2019][sS]?$")
_NICKNAME = re.compile(rf"[ ]?[\"\u201c(][ ]?{WORD}[ ]?[\"\u201d)][ ]?(?=([A-Z]{WORD}))")
_CAPITAL = r"[^\W\d_a-z][^\W\d_]+(?:['\u2019-][^\W\d_]+)*"
_MEMBER = rf"{_CAPITAL}(?:[ ]{_CAPITAL})?"
_ENUMERATION = re.compile(rf"(?<!\w)(?:{_MEMBER},[ ]){{0,6}}{_MEMBER},?[ ](?:and|&)[ ]{_MEMBER}")
_MEMBERS = re.compile(_MEMBER)

_CAPITAL_INSIDE = re.compile(r"(?:Mc|Mac|[A-Z]['\u2019])|.*[\u2010-]")

Span = tuple[int, int]


def trim(text: str, start: int, end: int) -> Span:
    """The span without titles, possessive and punctuation at its ends."""
    words = list(WORDS.finditer(text, start, end))
    while words and (words[0][0].casefold() in TITLES or words[0][0].casefold() == "the"):
        words.pop(0)
    while words and words[-1][0].casefold() in TITLES:
        words.pop()
    if not words:
        return start, start
    last = words[-1].end() - len(possessive[0]) if (possessive := _POSSESSIVE.search(words[-1][0])) else words[-1].end()
    return words[0].start(), last


class PeopleFinder:
    """Decides what is a name. Holds no text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def from_guess(self, text: str, start: int, end: int) -> Iterator[Span]:
        """The names in a span that the model takes for a person."""
        position = start
        for cut in [*_CUT.finditer(text, start, end), None]:
            piece_end = cut.start() if cut else end
            span = trim(text, position, piece_end)
            name = text[span[0] : span[1]]
            opens = self.opens_as_word(text, *span)
            if len(name) >= 2 and not opens:
                shown = name.title() if text.islower() else name
                if self.is_person(shown) or (self._may_be_person(name) and is_inside(text, *span)):
                    yield self.with_nickname(text, *span)
            position = cut.end() if cut else end

    def with_nickname(self, text: str, start: int, end: int) -> Span:
        """The name with a nickname in quotes and what follows that: `Ann "Bo" Lee`."""
        nickname = _NICKNAME.match(text, end)
        if nickname and not self._lexicon.is_office(nickname[1].casefold()):
            return start, nickname.end(1)
        return start, end

    def opens_as_word(self, text: str, start: int, end: int) -> bool:
        """ "Mark the invoice", "Will it rain": what opens a sentence and is a word as well is taken for the word."""
        return text[start:end].casefold() in self._lexicon.both and opens_sentence(text, start)

    def from_enumerations(self, text: str, names: Collection[Span], others: Sequence[Span]) -> Iterator[Span]:
        """The other members of a list with a name in it: `Smith, Turgeon and Lee`. `others`: places."""
        known = set(names)
        for listed in _ENUMERATION.finditer(text):
            members = [m.span() for m in _MEMBERS.finditer(text, *listed.span())]
            if not any(member in known for member in members):
                continue
            for start, end in members:
                other = any(first < end and start < last for first, last in others)
                if not other and self.is_person(text[start:end]):
                    yield start, end

    def from_given_names(self, text: str) -> Iterator[Span]:
        """A common given name and what follows it: `Ann Okafor`, `ANN LEE`, `ann lee`, `Ann M. Lee`."""
        words = list(WORDS.finditer(text))
        position = 0
        while position < len(words):
            count = self._follows(text, words, position)
            if count > 1:
                yield trim(text, words[position].start(), words[position + count - 1].end())
            position += count

    def is_person(self, candidate: str) -> bool:
        """Whether a model's guess is believed."""
        words = WORDS.findall(_POSSESSIVE.sub("", candidate))
        core = [word for word in words if len(word) > 1 and word.casefold() not in TITLES | PARTICLES]
        folded = [word.casefold() for word in core]
        if not core or any(self._lexicon.is_office(word) for word in folded):
            return False
        if len(words) == 1:
            return self._is_single_name(core[0])
        if candidate.islower():
            return self._lexicon.is_plain_name(folded[0]) and not any(map(self._lexicon.is_everyday, folded))
        if any(map(self._lexicon.is_verb_like, folded)):
            return self._lexicon.is_plain_name(folded[0]) and len(core) > 1 and not core[-1].islower()
        return any(word[0].isupper() for word in core) and not all(map(self._lexicon.is_everyday, folded))

    def is_listed(self, candidate: str, *, running: bool) -> bool:
        """Whether a cell or a labelled value is a name: its place says so already, so little is asked of it."""
        words = WORDS.findall(_POSSESSIVE.sub("", candidate))
        folded = [word.casefold() for word in words if word.casefold() not in TITLES | PARTICLES]
        if not 1 <= len(folded) <= 4 or any(self._lexicon.is_office(word) or word.count("-") > 1 for word in folded):
            return False
        if any(map(self._lexicon.is_name, folded)):
            return not running or not any(map(self._lexicon.is_verb_like, folded))
        return not any(map(self._lexicon.is_everyday, folded)) and max(map(len, folded)) > 1

    def leading(self, text: str, start: int, end: int) -> Iterator[Span]:
        """The name that a labelled value begins with: `Owner: Ann Lee is responsible`."""
        for first, last in self.first_words(text, start, end, sure=False):
            if any(self._lexicon.is_name(word.casefold()) for word in WORDS.findall(text[first:last])):
                yield first, last

    def _may_be_person(self, candidate: str) -> bool:
        """Whether capitalised words are a name although the tables know them: they hold `Milton` and `Nixon` too."""
        core = [word for word in WORDS.findall(candidate) if len(word) > 1 and word.casefold() not in PARTICLES]
        folded = [word.casefold() for word in core]
        if not core or not all(word[0].isupper() for word in core) or any(map(self._lexicon.is_office, folded)):
            return False
        if any(word.isupper() and len(word) <= ACRONYM_CHARS_MAX for word in core):
            return False
        if len(core) > 1:
            return not all(map(self._lexicon.is_verb_like, folded))
        return self._lexicon.may_be_family_name(folded[0])

    def _is_single_name(self, word: str) -> bool:
        folded = word.casefold()
        if len(word) < 3 or not word[0].isupper():
            return False
        if self._lexicon.is_name(folded):
            return True
        acronym = word.isupper() and len(word) <= ACRONYM_CHARS_MAX
        camel = not (word.isupper() or word[1:].islower() or _CAPITAL_INSIDE.match(word))
        return not (acronym or camel or self._lexicon.is_everyday(folded))

    def first_words(self, text: str, start: int, end: int, *, sure: bool) -> Iterator[Span]:
        """The capitalised words that a span begins with, up to an everyday one; `sure`: the first may be everyday."""
        last = start
        for number, word in enumerate(WORDS.finditer(text, start, end)):
            folded = _POSSESSIVE.sub("", word[0]).casefold()
            if folded not in PARTICLES and (not word[0][0].isupper() or self._lexicon.is_office(folded)):
                break
            if self._lexicon.is_everyday(folded) and not (sure and number == 0):
                break
            last = word.end()
        span = trim(text, start, last)
        if span[1] - span[0] >= 2:
            yield span

    def _follows(self, text: str, words: list[re.Match[str]], position: int) -> int:
        """How many words from here are one name: 1 when there is none."""
        first = words[position][0]
        if first.casefold() not in self._lexicon.given or self._lexicon.is_office(first.casefold()):
            return 1
        count, names = 1, 0
        for before, word in zip(words[position:], words[position + 1 : position + 5], strict=False):
            folded = _POSSESSIVE.sub("", word[0]).casefold()
            if not _GAP.fullmatch(text, before.end(), word.start()) or not self._continues(first, word[0], folded):
                break
            count += 1
            # An initial or a particle is part of a name only when a name follows.
            names = count if len(folded) > 1 and folded not in PARTICLES else names
            if text[word.end() : word.end() + 1] == "." and len(folded) > 1:
                break
        return max(names, 1)

    def _continues(self, first: str, word: str, folded: str) -> bool:
        if len(word) == 1:
            return word.isupper()
        if folded in PARTICLES:
            return True
        if self._lexicon.is_office(folded) or self._lexicon.is_verb_like(folded):
            return False
        if first[0].isupper() and not first.isupper():
            return word[0].isupper()
        # In one case only, both words must be known names: "mark will" is not one.
        return self._lexicon.is_plain_name(folded) and word.isupper() == first.isupper()
