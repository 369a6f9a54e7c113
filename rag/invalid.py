"""What a validation found, in words for whoever wrote the file: where, and what, without the library's own terms."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

PROBLEMS_MAX = 10


def problems(cause: ValidationError, whole: str = "the file") -> str:
    """`place: what; place: what`, the first few; `whole` is what the place is called that has no name."""
    return "; ".join(f"{_place(found) or whole}: {_what(found)}" for found in cause.errors()[:PROBLEMS_MAX])


def _place(found: ErrorDetails) -> str:
    return ".".join(str(part) for part in found["loc"])


def _what(found: ErrorDetails) -> str:
    more = found.get("ctx", {})
    field = str(more.get("discriminator", "")).strip("'")
    match found["type"]:
        case "value_error" | "assertion_error":
            return str(more["error"])
        case "union_tag_invalid":
            return f"{field} {more['tag']!r} is unknown; known: {more['expected_tags']}"
        case "union_tag_not_found":
            return f"has no {field}"
        case "extra_forbidden":
            return "is unknown"
        case "missing":
            return "is missing"
        case _:
            return found["msg"]
