"""Giving originals back: whole tokens of a given map, nothing else.

A generator changes what it copies: it lowers case, drops a bracket, writes `[...]` for `<...>`. Such a token is still
given back, because its sixteen digits name exactly one entry of the map; a token that lost a digit, or that is not
in the map, stays as it is. Nothing is guessed, and what is put in is not scanned again.

All of it works on whole sentences. A token that a stream cuts in two is whole again in the sentence that leaves:
nothing leaves before it was verified, and a piece of a sentence cannot be.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag.privacy.faces import REDACTION, TOKEN, TOKEN_DIGITS

NEVER_GIVEN_BACK = frozenset({"SECRET"})
"""Kinds that no right gives back. A key that was read once has to be replaced, whoever read it."""

_CORE = re.compile(rf"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_]{{1,40}}_[A-Za-z0-9]{{{TOKEN_DIGITS}}}(?![A-Za-z0-9_])")
_CLOSING = {"<": ">", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token in a text: `text` is the whole of it, brackets included. A `redaction` names no entry of any vault."""

    entity: str
    text: str
    start: int
    end: int
    redaction: bool = False


def tokens_in(text: str) -> list[Token]:
    """Every well-formed token, in order; one that stands twice is listed twice."""
    return [Token(found[1], found[0], found.start(), found.end()) for found in TOKEN.finditer(text)]


def stand_ins_in(text: str) -> list[Token]:
    """Every well-formed token and redaction, in order: what the text shows in the place of values."""
    redacted = [Token(found[1], found[0], *found.span(), redaction=True) for found in REDACTION.finditer(text)]
    return sorted([*tokens_in(text), *redacted], key=lambda token: token.start) if redacted else tokens_in(text)


def token_of(written: str) -> Token | None:
    """The token that somebody wrote, in any case, with or without its brackets; None if it has not the form of one."""
    found = TOKEN.fullmatch(f"<{written.strip().removeprefix('<').removesuffix('>').upper()}>")
    return None if found is None else Token(found[1], found[0], 0, len(found[0]))


def unmask(text: str, resolve: Mapping[str, str]) -> str:
    """The text with the tokens of `resolve` given back; all others stay."""
    known = {token.strip("<>").upper(): original for token, original in resolve.items()}
    if not known:
        return text
    out: list[str] = []
    done = 0
    for found in _CORE.finditer(text):
        start, end = found.start(), found.end()
        original = known.get(found[0].upper())
        if original is None:
            continue
        opening = text[start - 1] if start > done else ""
        closing = text[end : end + 1]
        # A lone angle bracket is half of a token's own; other brackets belong to it only as a pair.
        pair = opening in _CLOSING and closing == _CLOSING[opening]
        if pair or (opening == "<" and closing not in {"]", "}"}):
            start -= 1
        if pair or closing == ">":
            end += 1
        out += (text[done:start], original)
        done = end
    return "".join([*out, text[done:]])


def with_whole_tokens(text: str, tokens: Iterable[str]) -> str:
    """The text in which each of `tokens` stands as it is written, however a generator changed its case or brackets."""
    return unmask(text, {token: token for token in tokens})
