"""The form of an answer as a regular expression, for servers that can hold a model to one."""

from rag.generation.messages import NOT_FOUND

SENTENCE_CHARS_MAX = 400
"""A model that writes on and on must come to a marker. Compiled once for each number of passages: 0.7 s on one core."""


def answer_pattern(passages: int) -> str:
    """NOT_FOUND, or sentences on one line of which each ends with a number from 1 to `passages`.

    Nothing that a person or a document wrote is in it.
    """
    if not passages:
        return NOT_FOUND
    numbers = "|".join(map(str, range(1, passages + 1)))
    sentence = rf"[^\[\]\x00-\x1f]{{1,{SENTENCE_CHARS_MAX}}}\[({numbers})\]\."
    return rf"({NOT_FOUND}|{sentence}( {sentence})*)"
