"""What a figure of a report may be."""

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | Mapping[str, Json] | list[Json] | None"
