"""How a tenant's texts are masked: which entities, how, from which score on, the company's own numbers, and single
values that are always or never masked. Without a configuration, the settings of the installation hold.

A file says it all; values in it become keyed digests when it is read and are kept in no other form:

    entities:
      PERSON: {threshold: 0.5}
      US_SSN: {operator: redact}
      WEB_ADDRESS: {operator: token}
    patterns:
      EMPLOYEE_ID: ['ACM-\\d{6}']
    never:
      - {value: Acme Support}
    always:
      - {value: Project Nightjar, entity: PERSON}
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.domain import digest_of
from rag.errors import Misuse
from rag.invalid import problems
from rag.privacy.company_patterns import PATTERNS_MAX, BadPattern, checked_pattern
from rag.privacy.known_values import Form, Unusable, forms_of
from rag.privacy.operators import Operator, checked_operator

FILE_CHARS_MAX = 1_000_000
VALUES_MAX = 10_000
ENTITIES = frozenset(
    {"CREDIT_CARD", "CUSTOMER_ID", "DATE_OF_BIRTH", "EMAIL_ADDRESS", "EMPLOYEE_ID", "IBAN_CODE", "ID_NUMBER"}
    | {"IP_ADDRESS", "LOCATION", "PERSON", "PHONE_NUMBER", "PLACE", "SECRET", "TITLE", "UK_NHS", "UK_NINO", "URL"}
    | {"US_SSN", "WEB_ADDRESS"}
)
"""What can be configured. LITERAL cannot: it keeps documents from forging tokens."""
NO_THRESHOLD = frozenset({"SECRET"})
PATTERN_ENTITIES = frozenset({"EMPLOYEE_ID", "CUSTOMER_ID", "ID_NUMBER"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Entity(_Strict):
    operator: Operator | None = None
    threshold: float | None = Field(None, ge=0, le=1)


class _Value(_Strict):
    value: str | None = Field(None, min_length=1, repr=False)
    form: str | None = None
    entity: str | None = None


class _File(_Strict):
    version: int | None = Field(None, ge=0)
    entities: dict[str, _Entity] = {}
    patterns: dict[str, list[str]] = {}
    never: list[_Value] = Field([], max_length=VALUES_MAX)
    always: list[_Value] = Field([], max_length=VALUES_MAX)


@dataclass(frozen=True, slots=True)
class KnownValue:
    """One value by its digest. `entity` is empty where it is never masked, whatever it is taken for."""

    form: Form
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What differs from the settings. Empty means: nothing."""

    operators: Mapping[str, Operator] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    patterns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    never: tuple[KnownValue, ...] = ()
    always: tuple[KnownValue, ...] = ()

    def kept(self, leave: Iterable[str]) -> frozenset[str]:
        """The entities that stay as they are; `leave` are those of the settings."""
        return frozenset(
            {entity for entity in leave if entity not in self.operators}
            | {entity for entity, operator in self.operators.items() if operator is Operator.KEEP}
        )

    def check_masked(self, entities: Iterable[str], leave: Iterable[str]) -> None:
        """That values of these entities, which somebody wants masked, will be.

        Raises:
            Misuse: one of the entities is kept, by the configuration or by the settings.
        """
        kept = sorted(self.kept(leave) & set(entities))
        if kept:
            raise Misuse(
                f"Values of {', '.join(kept)} would stay as they are: these kinds are left alone. Give them the "
                "operator token or redact in the configuration, or name another entity. Nothing was changed.",
                code="kept_entity",
            )

    @property
    def text(self) -> str:
        """Canonical JSON: equal configurations have equal texts."""
        return json.dumps(self.as_data(), sort_keys=True, separators=(",", ":"))

    def as_data(self) -> dict[str, Any]:
        """As a file that `parse` reads back."""
        entities: dict[str, dict[str, Any]] = {}
        for entity, operator in self.operators.items():
            entities.setdefault(entity, {})["operator"] = operator.value
        for entity, threshold in self.thresholds.items():
            entities.setdefault(entity, {})["threshold"] = threshold
        return {
            "entities": dict(sorted(entities.items())),
            "patterns": {entity: list(some) for entity, some in sorted(self.patterns.items())},
            "never": _sorted({"form": one.form.text} for one in self.never),
            "always": _sorted({"form": one.form.text, "entity": one.entity} for one in self.always),
        }

    @classmethod
    def of_text(cls, text: str) -> "Configuration":
        """What `text` gave."""
        return _configuration(_File.model_validate_json(text), b"")


def _sorted(values: Any) -> list[dict[str, str]]:
    return sorted(values, key=lambda value: (value.get("entity", ""), value["form"]))


def parse(text: str, key: bytes) -> tuple[Configuration, int | None]:
    """A configuration file, and the version that it says to be made from. `key` digests its values.

    Raises:
        Misuse: not a configuration; says where and why, and repeats no value.
    """
    if len(text) > FILE_CHARS_MAX:
        raise Misuse(f"The configuration is longer than {FILE_CHARS_MAX} characters. Use a directory for many values.")
    try:
        data = yaml.safe_load(text)
        file = _File.model_validate(data if data is not None else {})
    except (yaml.YAMLError, RecursionError) as cause:
        place = getattr(cause, "problem_mark", None)
        where = f" in line {place.line + 1}" if place is not None else ""
        raise Misuse(f"The configuration is not YAML{where}. Nothing was changed.", code="bad_configuration") from None
    except ValidationError as cause:
        raise Misuse(
            f"Not a configuration: {problems(cause)}. Nothing was changed.", code="bad_configuration"
        ) from None
    try:
        return _configuration(file, key), file.version
    except ValueError as cause:
        raise Misuse(
            f"The configuration cannot be used: {cause}. Nothing was changed.", code="bad_configuration"
        ) from None


def _configuration(file: _File, key: bytes) -> Configuration:
    _check_entities(file.entities)
    _check_patterns(file.patterns)
    never = _values("never", file.never, key)
    always = _values("always", file.always, key)
    both = {one.form for one in never} & {one.form for one in always}
    if both:
        raise ValueError("a value stands under never and under always")
    operators = {entity: one.operator for entity, one in file.entities.items() if one.operator is not None}
    for entity in sorted({*(one.entity for one in always), *file.patterns}):
        if operators.get(entity) is Operator.KEEP:
            raise ValueError(f"{entity} has the operator keep, but values or patterns of it are to be masked")
    return Configuration(
        operators=operators,
        thresholds={entity: one.threshold for entity, one in file.entities.items() if one.threshold is not None},
        patterns={entity: tuple(patterns) for entity, patterns in file.patterns.items() if patterns},
        never=never,
        always=always,
    )


def _check_entities(entities: Mapping[str, _Entity]) -> None:
    for entity, chosen in entities.items():
        checked_entity(entity)
        if chosen.operator is not None:
            checked_operator(entity, chosen.operator)
        if entity in NO_THRESHOLD and chosen.threshold:
            raise ValueError(f"{entity} is masked at any score; name a single value under never instead")


def _check_patterns(patterns: Mapping[str, Sequence[str]]) -> None:
    for entity, some in patterns.items():
        if entity not in PATTERN_ENTITIES:
            raise ValueError(f"patterns are for {', '.join(sorted(PATTERN_ENTITIES))}; {entity[:40]!r} is none of them")
        if len(some) > PATTERNS_MAX:
            raise ValueError(f"{entity} has more than {PATTERNS_MAX} patterns")
        for number, pattern in enumerate(some, 1):
            try:
                checked_pattern(pattern)
            except BadPattern as cause:
                raise ValueError(f"pattern {number} of {entity}: {cause}") from None


def _values(part: str, values: Sequence[_Value], key: bytes) -> tuple[KnownValue, ...]:
    found: dict[KnownValue, None] = {}
    for number, one in enumerate(values, 1):
        place = f"{part}, entry {number}"
        if (one.value is None) == (one.form is None):
            raise ValueError(f"{place}: give a value, or the form that `configure show` prints")
        if part == "always" and one.entity is None:
            raise ValueError(f"{place}: say of which entity it is")
        if one.entity is not None:
            checked_entity(one.entity)
        try:
            forms = (Form.parse(one.form),) if one.form else forms_of(key, one.entity, one.value or "")
        except Unusable as cause:
            raise ValueError(f"{place}: {cause}") from None
        except ValueError:
            raise ValueError(f"{place}: not a form that `configure show` prints") from None
        for form in forms:
            found[KnownValue(form, one.entity or "" if part == "always" else "")] = None
    return in_order(found)


def in_order(values: Iterable[KnownValue]) -> tuple[KnownValue, ...]:
    """The order in which configurations hold them: equal sets make equal configurations."""
    return tuple(sorted(values, key=lambda known: (known.entity, known.form.text)))


def checked_entity(entity: str) -> str:
    """Return `entity` if it can be configured.

    Raises:
        ValueError: it cannot.
    """
    if entity not in ENTITIES:
        raise ValueError(f"{entity[:40]!r} is no entity; there are {', '.join(sorted(ENTITIES))}")
    return entity


def configuration_digest(configuration: Configuration, directory: Sequence[bytes]) -> str:
    """What a text was masked by, besides the installation: 64 digits, or nothing for the default."""
    if configuration == Configuration() and not directory:
        return ""
    return digest_of([configuration.text, *sorted(directory)]).hex()
