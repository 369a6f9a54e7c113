"""What is done with a value that was found, by its kind. The names are Presidio's where it has one."""

from enum import StrEnum


class Operator(StrEnum):
    """One per entity; without one it is `token`."""

    TOKEN = "token"  # noqa: S105 - the name of an operator
    """A stable token; the original goes to the vault and is given back by the policy."""
    REDACT = "redact"
    """Its kind alone, `<PERSON_REDACTED>`: nothing is kept, so nobody finds it and nobody is given it back."""
    KEEP = "keep"
    """Left as it is: not looked for, not masked, in every text, question and answer."""


NEVER_KEPT = frozenset({"SECRET"})


def checked_operator(entity: str, operator: Operator) -> Operator:
    """Return `operator` if it may be chosen for the entity.

    Raises:
        ValueError: it may not; says why and what may be.
    """
    if operator is Operator.KEEP and entity in NEVER_KEPT:
        raise ValueError(
            f"{entity} cannot have the operator keep, because no secret may pass; choose token or redact, or name a "
            "single value that is none under never"
        )
    return operator
