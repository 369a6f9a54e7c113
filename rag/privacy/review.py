"""Decisions of a person about single values: always or never masked, as digests in the configuration."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from rag.privacy.configuration import Configuration, KnownValue, in_order
from rag.privacy.known_values import Unusable, forms_of


@dataclass(frozen=True, slots=True)
class Decision:
    """`personal` or not, and what the value was taken for."""

    value: str = field(repr=False)
    entity: str
    personal: bool


def decided(configuration: Configuration, decisions: Iterable[Decision], key: bytes) -> tuple[Configuration, int]:
    """The configuration with the decisions in it, and how many could not be taken (too short, for example).

    The newest decision about a value counts.
    """
    never = dict.fromkeys(configuration.never)
    always = dict.fromkeys(configuration.always)
    refused = 0
    for decision in decisions:
        try:
            forms = forms_of(key, decision.entity, decision.value)
        except Unusable:
            refused += 1
            continue
        for form in forms:
            never = {one: None for one in never if one.form != form}
            always = {one: None for one in always if one.form != form}
            if decision.personal:
                always[KnownValue(form, decision.entity)] = None
            else:
                never[KnownValue(form)] = None
    return replace(configuration, never=in_order(never), always=in_order(always)), refused
