"""Test cases of a configuration: sentences, and the values in them that are to be masked or to be left.

    - text: Acme Support answered the phone.
      value: Acme Support
      mask: false

The file is the operator's and stays outside of the database: it holds values in clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rag.errors import Misuse
from rag.privacy.findings import Finding

CASES_MAX = 10_000
FILE_CHARS_MAX = 10_000_000


class _Case(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    text: str = Field(min_length=1, max_length=10_000)
    value: str = Field(min_length=1, max_length=1000)
    mask: bool
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence and a value in it. `entity`: as what it is to be masked, if that matters."""

    text: str = field(repr=False)
    value: str = field(repr=False)
    mask: bool
    entity: str | None = None

    def fault(self, findings: Sequence[Finding]) -> str:
        """What is wrong with the findings of the sentence; empty where they are as they should be."""
        starts = _places(self.text, self.value)
        for start in starts:
            end = start + len(self.value)
            held = [one for one in findings if one.start < end and start < one.end]
            if not self.mask and held:
                return f"masked as {', '.join(sorted({one.entity for one in held}))}, although it is to be left"
            if self.mask and not all(
                any(one.start <= place < one.end for one in held)
                for place in range(start, end)
                if self.text[place].isalnum()
            ):
                return "not masked, or not all of it"
            if self.mask and self.entity and self.entity not in {one.entity for one in held}:
                return f"masked as {', '.join(sorted({one.entity for one in held}))}, not as {self.entity}"
        return ""


def _places(text: str, value: str) -> list[int]:
    places, start = [], text.find(value)
    while start >= 0:
        places.append(start)
        start = text.find(value, start + len(value))
    return places


def parse_cases(text: str) -> list[Case]:
    """The cases of a file, in order.

    Raises:
        Misuse: not a list of cases; says which, and repeats nothing of it.
    """
    if len(text) > FILE_CHARS_MAX:
        raise Misuse(f"The file is longer than {FILE_CHARS_MAX} characters.")
    try:
        read = TypeAdapter(list[_Case]).validate_python(yaml.safe_load(text) or [])
    except (yaml.YAMLError, RecursionError) as cause:
        mark = getattr(cause, "problem_mark", None)
        raise Misuse(
            f"The cases are not YAML{f' in line {mark.line + 1}' if mark else ''}.", code="bad_cases"
        ) from None
    except ValidationError as cause:
        problems = "; ".join(f"case {_number(e['loc'])}: {e['msg']}" for e in cause.errors()[:10])
        raise Misuse(f"The cases cannot be read: {problems}.", code="bad_cases") from None
    if len(read) > CASES_MAX:
        raise Misuse(f"The file has more than {CASES_MAX} cases.")
    for number, one in enumerate(read, 1):
        if one.value not in one.text:
            raise Misuse(f"Case {number}: the value does not stand in the text.", code="bad_cases")
    return [Case(one.text, one.value, one.mask, one.entity) for one in read]


def _number(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in place) or "1"


def as_yaml(cases: Sequence[Case]) -> str:
    """The cases as they stand in a file; several such pieces make one file."""
    rows = [
        {"text": one.text, "value": one.value, "mask": one.mask, **({"entity": one.entity} if one.entity else {})}
        for one in cases
    ]
    return str(yaml.safe_dump(rows, sort_keys=False, allow_unicode=True)) if rows else ""
