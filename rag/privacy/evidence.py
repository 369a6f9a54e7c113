"""Which sentences of a long text the tagger need not read: those in which nothing is left to find.

It is the slowest part. In text with capitals, a sentence without a digit whose capitalised words are all accounted for
(known as part of a name or a place, or the word opens the sentence and is everyday) holds no name, number or address
that is not known already.
"""

import re
from collections.abc import Iterable, Iterator

from rag.privacy.lexicon import Lexicon

LONG_CHARS = 480
"""Shorter texts are one window anyway."""
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?!\s))+[.!?]*\s*")
_CAPITALISED = re.compile(r"[^\W\d_a-z][\w'\u2019-]*")
_NUMBER = re.compile(r"\d|@")
_LOWER = re.compile(r"[^\W\d_A-Z]")


def needless(text: str, known: Iterable[tuple[int, int]], lexicon: Lexicon) -> Iterator[tuple[int, int]]:
    """Spans of whole sentences, in order; nothing of a short text. `known`: what is a name or a place already."""
    if len(text) <= LONG_CHARS:
        return
    flags = bytearray(len(text))
    for start, end in known:
        flags[start:end] = b"\x01" * (end - start)
    for sentence in _SENTENCE.finditer(text):
        if not _NUMBER.search(sentence[0]) and _accounted(sentence, flags, lexicon):
            yield sentence.span()


def _accounted(sentence: "re.Match[str]", known: bytearray, lexicon: Lexicon) -> bool:
    words = list(_CAPITALISED.finditer(sentence[0]))
    # Without a capital, or with nothing else, case tells nothing.
    if not words or not _LOWER.search(sentence[0]):
        return False
    opening = len(sentence[0]) - len(sentence[0].lstrip(" \t\"'(*#>-"))
    for word in words:
        opens = word.start() == opening and lexicon.is_verb_like(word[0].casefold())
        if not opens and not known[sentence.start() + word.start()]:
            return False
    return True
