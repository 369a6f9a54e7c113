"""What in a question could be a value that documents hold: in any case, surnames alone too."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.privacy.faces import FaceMaker
from rag.privacy.findings import Finding
from rag.privacy.lexicon import Lexicon

NAME_WORDS_MAX = 4
"""Longest name that is looked up in a question."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019\u2010-][^\W_]+)*")
_POSSESSIVE = re.compile(r"['\u2019]s$", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:a|i)[ \u00a0]")
"""In lower case and without a point, "a lee" is a word and a name, not an initial."""
_NUMBERED = ("EMPLOYEE_ID", "ID_NUMBER", "PHONE_NUMBER")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible value in a question, and the token it would have.

    `face` are the words by which it is looked up: its index face without the word of an initial, which depends on
    what stands around a name. `part`: one part of a name, with or without initials.
    """

    token: str
    face: str
    part: bool


@dataclass(frozen=True, slots=True)
class CandidateFinder:
    """Looks a question through for one tenant."""

    faces: FaceMaker
    lexicon: Lexicon

    def find(self, text: str) -> Iterator[tuple[str, Finding]]:
        """Groups of words that could be a value, with the token each would have."""
        words = list(_WORD.finditer(text))
        for first, word in enumerate(words):
            if sum(map(str.isdigit, word[0])) >= 3:
                for entity in _NUMBERED:
                    yield self.faces.token(entity, word[0]), Finding(word.start(), word.end(), entity, 1.0)
            for last in words[first : first + NAME_WORDS_MAX]:
                group = text[word.start() : last.end()]
                if "\n\n" in group:
                    break
                name = _POSSESSIVE.sub("", group)
                if self._may_be_name(name, first_in_text=first == 0):
                    found = Finding(word.start(), word.start() + len(name), "PERSON", 1.0)
                    yield self.faces.token("PERSON", name), found

    def candidates(self, text: str) -> tuple[Candidate, ...]:
        """The same, each token once."""
        found: dict[str, Candidate] = {}
        for token, finding in self.find(text):
            value, person = text[finding.start : finding.end], finding.entity == "PERSON"
            words = self.faces.part_words(value) if person else [self.faces.words(finding.entity, value)]
            found.setdefault(token, Candidate(token, " ".join(words), person and len(words) == 1))
        return tuple(found.values())

    def _may_be_name(self, name: str, *, first_in_text: bool) -> bool:
        """Whether a group may be taken for a name that the tenant holds: "will" and "may" are words first."""
        if _ARTICLE.match(name):
            return False
        parts = [part.casefold() for part in _WORD.findall(name)]
        if len(parts) > 1:
            return not (name.islower() and all(map(self.lexicon.may_be_word, parts)))
        part = parts[0]
        if not self.lexicon.may_be_word(part) or self.lexicon.may_be_family_name(part):
            return len(part) > 1
        return part in self.lexicon.both and name[0].isupper() and not first_in_text
