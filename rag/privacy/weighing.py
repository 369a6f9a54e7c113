"""What the tagger says, weighed: it knows no headings, products or table rows, and reads amounts as house numbers.

In text with capitals a word in lower case is rarely a name; a word that the tagger half believes is a name only where
the lexicon has nothing against it; words of offices are nobody's name. In text of one case all it has is believed.
"""

import re
from collections.abc import Iterator, Sequence

from rag.privacy.addresses import Part
from rag.privacy.faces import TITLES
from rag.privacy.lexicon import Lexicon
from rag.privacy.people import PARTICLES, PeopleFinder, Span
from rag.privacy.tagger import SURE, Tag

HALF = 0.5
"""Between this and `SURE` only what another model takes for an organisation is doubted."""
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['\u2019][sS]?$")
_NUMBER_SAID = re.compile(
    r"\b(?:number|no|nr|id|account|card|ssn|social|passport|licen[cs]e|permit|tax|routing|iban|insurance|record)\b",
    re.IGNORECASE,
)
_LABEL_BEHIND = re.compile(r"[ \t]{0,2}:")


class TagWeigher:
    """Turns tags into names and parts of addresses. Holds no text."""

    def __init__(self, lexicon: Lexicon, people: PeopleFinder) -> None:
        self._lexicon = lexicon
        self._people = people

    def names(self, text: str, tags: Sequence[Tag], companies: Sequence[Span], *, one_case: bool) -> Iterator[Span]:
        """The names among the tags. `companies`: what the other model takes for organisations."""
        for tag in tags:
            if tag.entity != "PERSON":
                continue
            for start, end in self._name_words(text, tag, one_case=one_case):
                rival = any(first < end and start < last for first, last in companies)
                if self._people.opens_as_word(text, start, end) or self._is_ending(text, start, end):
                    continue
                if self._is_name(text[start:end], tag.score, rival=rival, one_case=one_case):
                    yield self._people.with_nickname(text, start, end)

    def parts(self, text: str, tags: Sequence[Tag], *, one_case: bool) -> Iterator[Part]:
        """The parts of addresses among the tags."""
        for tag in tags:
            if tag.entity not in {"LOCATION", "PLACE"}:
                continue
            value = text[tag.start : tag.end]
            words = [word.casefold() for word in _WORD.findall(value)]
            sure = tag.entity == "LOCATION"
            if not sure or words:
                label = _LABEL_BEHIND.match(text, tag.end) is not None
                doubtful = all(self._lexicon.is_everyday(w) or self._lexicon.is_office(w) for w in words)
                if (label or tag.score < SURE) and doubtful and words:
                    continue
                if not one_case and value.islower() and (not sure or tag.score < SURE):
                    continue
            yield Part(tag.start, tag.end, sure, tag.score)

    def is_form(self, text: str, tag: Tag) -> bool:
        """Whether a number or an address of mail is one: amounts look like numbers of accounts to the tagger."""
        value = text[tag.start : tag.end]
        if tag.score < SURE or sum(map(str.isdigit, value)) < 5:
            return False
        return tag.entity != "ID_NUMBER" or _NUMBER_SAID.search(text, max(0, tag.start - 48), tag.start) is not None

    def _is_ending(self, text: str, start: int, end: int) -> bool:
        """Whether it is no word of a sentence: `docx` of a file's name, `md` of an address."""
        glued = text[start - 1 : start] in {".", "/", "@", "_"}
        return glued and not self._lexicon.is_plain_name(text[start:end].casefold())

    def _name_words(self, text: str, tag: Tag, *, one_case: bool) -> Iterator[Span]:
        """The words of a tag without those at its ends that are no part of a name."""
        words = list(_WORD.finditer(text, tag.start, tag.end))

        def stray(word: "re.Match[str]") -> bool:
            folded = _POSSESSIVE.sub("", word[0]).casefold()
            lower = word[0].islower() and folded not in PARTICLES
            return folded in TITLES or (self._lexicon.is_verb_like(folded) and (lower or len(folded) < 4))

        while words and stray(words[0]):
            words.pop(0)
        while words and stray(words[-1]):
            words.pop()
        if words:
            possessive = _POSSESSIVE.search(words[-1][0])
            yield words[0].start(), words[-1].end() - (len(possessive[0]) if possessive else 0)

    def _is_name(self, name: str, score: float, *, rival: bool, one_case: bool) -> bool:
        folded = [word.casefold() for word in _WORD.findall(name)]
        if not folded or all(map(self._lexicon.is_office, folded)) or max(map(len, folded)) < 2:
            return False
        if one_case:
            everyday = all(map(self._lexicon.may_be_word, folded))
            return score >= SURE or not everyday
        if name.islower():
            known = any(map(self._lexicon.is_plain_name, folded))
            strange = "-" in name or any(map(self._lexicon.is_everyday, folded))
            return known or (score >= SURE and not strange)
        if score >= HALF:
            return not (rival and score < SURE and any(map(self._lexicon.is_everyday, folded)))
        known = len(folded) > 1 or any(map(self._lexicon.is_name, folded))
        return known and not rival and self._people.is_person(name)
