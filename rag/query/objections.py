"""What can tell against a claim, by name: for whoever has an answer explained."""

from enum import StrEnum


class Objection(StrEnum):
    """In the order in which it is looked for: a later one came nearer to being supported."""

    NO_PASSAGES = "no_passages"
    NOT_VERBATIM = "not_verbatim"
    EMPTY = "empty"
    JOINED = "joined_sentences"
    """It puts together two sentences of which one lends a name or a number alone."""
    WORDS = "unsupported_words"
    NUMBER = "number"
    TOKEN = "token"  # noqa: S105 - a masked value's, no credential
    """A masked value that the sentences do not have, or a value that was masked because no passage has it."""
    NAME = "name"
    SUBJECT = "subject"
    """What the claim opens with, and so is about."""
    FIGURE = "figure"
    """The number is there, of something else."""
    NEGATION = "negation"
    LIMIT = "limit"
    """"Only", "unless" and the like, added or left out."""
    ROLES = "swapped"
    UNIT = "unit"
    BOUND = "bound"
    DENIED = "denied"
    OPPOSITE = "opposite"
    SCORE = "support_score"
    """The support model gave it less than `generator.support_threshold`."""
    REPEATED = "repeated"

    @property
    def place(self) -> int:
        return list(Objection).index(self)
