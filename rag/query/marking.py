"""What a sentence that nothing supports must be like to be shown at all, marked as unsupported.

Asked only with `generator.unsupported = "mark"`. Every gate but support itself stays closed, and in doubt the sentence
is left out. What it may name is judged by what its reader was given and by her own question, never by what she may
not read: a sentence that is withheld because an unreadable document holds its number would tell that it does.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from functools import cache, cached_property

from rag.generation.messages import load_prompts
from rag.generation.words import Content, content_of
from rag.privacy.outgoing import without_secrets
from rag.query.agreement import particulars_of
from rag.query.guard import inert
from rag.query.prompt import Given

UNSUPPORTED_MARK = "[unsupported]"
"""Stands behind such a sentence in the answer's text."""
MARKED_CHARS_MAX = 600
"""Longer than this is no sentence that somebody checks by reading."""
_RUN = 6
"""Words in a row that a sentence has in common with the prompt only when it repeats it."""
_BRACKET = re.compile(r"[\[\]\u3010\u3011\uff3b\uff3d\u27e6\u27e7]")
"""With one of these a sentence could bring a citation's number, or the mark itself, of its own."""
_WORD = re.compile(r"\w+")
_SLOT = re.compile(r"\{\w+\}")
_NUMBERED = re.compile(r"[\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089\u2460-\u249b]")
"""Raised, lowered and circled digits: footnotes, which is how citations are read."""


class Gate(StrEnum):
    """Why an unsupported sentence is left out although unsupported ones are shown."""

    PERSONAL_DATA = "personal_data"
    SECRET = "secret"  # noqa: S105 - the name of a gate
    FORM = "form"
    """A link, HTML, an invisible character, or something that could be read as a citation."""
    LENGTH = "length"
    PROMPT = "repeats_prompt"
    TOKEN = "token"  # noqa: S105 - a masked value's, no credential
    PARTICULAR = "unknown_number_or_name"
    """A number or a name that neither the question nor a given passage has."""
    NOT_FOUND = "no_supported_claim"
    """There was no supported sentence to show it beside."""


class Marking:
    """The gates of one answer. `question` and passages are the reading face."""

    def __init__(self, question: str, given: Sequence[Given]) -> None:
        self._question = question
        self._passages = [text for one in given for text in (one.passage.title, one.passage.text)]

    def gate(self, written: str, scanned: str) -> Gate | None:
        """The first gate that does not let a sentence pass. `scanned` is it after the search for personal data.

        CPU-bound, and little.
        """
        if scanned != written:
            return Gate.PERSONAL_DATA
        if without_secrets(written) != written:
            return Gate.SECRET
        if len(written) > MARKED_CHARS_MAX:
            return Gate.LENGTH
        if _formed(written):
            return Gate.FORM
        words = _words(written)
        if not _runs(words).isdisjoint(_prompt_runs()) or _within_prompt(words):
            return Gate.PROMPT
        claim = content_of(written)
        if not claim.tokens <= self._given.tokens:
            return Gate.TOKEN
        return None if self._known(claim, written) else Gate.PARTICULAR

    def _known(self, claim: Content, written: str) -> bool:
        """Whether each of its numbers and names, and what it opens with, stands in the question or a passage."""
        opening = particulars_of(written).opening
        names = claim.names if opening is None else claim.names | {opening}
        known = self._given.words | self._asked.words
        return claim.numbers <= self._given.numbers | self._asked.numbers and names <= known

    @cached_property
    def _given(self) -> Content:
        return content_of("\n".join(self._passages))

    @cached_property
    def _asked(self) -> Content:
        return content_of(self._question)


def _formed(text: str) -> bool:
    """Whether there is anything in it but plain words: what renders, what is invisible, what looks like a citation."""
    unseen = any(unicodedata.category(character).startswith("C") for character in text)
    return unseen or inert(text, ()) != text or bool(_BRACKET.search(text) or _NUMBERED.search(text))


@cache
def _prompts() -> tuple[tuple[str, ...], ...]:
    """The words of each text that a model is instructed with."""
    return tuple(_words(_SLOT.sub(" ", text)) for text in load_prompts().texts.values())


@cache
def _prompt_runs() -> frozenset[tuple[str, ...]]:
    return frozenset[tuple[str, ...]]().union(*map(_runs, _prompts()))


def _within_prompt(words: tuple[str, ...]) -> bool:
    """A short sentence has no run of its own: it repeats the prompt if all of it stands there."""
    return not words or any(_in_row(words, prompt) for prompt in _prompts())


def _runs(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _in_row(words: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return any(whole[at : at + len(words)] == words for at in range(len(whole) - len(words) + 1))
