"""Files of JSON lines that users give us: one record a line."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from rag.errors import Misuse

Form = TypeVar("Form", bound=BaseModel)


def read_json_lines(path: Path, form: type[Form], wanted: str, code: str | None = None) -> list[Form]:
    """The records of a file, in its order; empty lines are left out. `wanted` says what each line has to be.

    Raises:
        Misuse: the file cannot be read, or a line is none; it is named by number, never by what is in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise Misuse(f"{path} cannot be read as UTF-8 ({type(cause).__name__}).", code=code) from cause
    found: list[Form] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found.append(form.model_validate_json(line))
            except ValidationError:
                raise Misuse(f"Line {number} of {path} is not {wanted}.", code=code) from None
    return found
