"""Source code and configuration: indentation kept, one block for each group of lines, definitions as headings."""

import re
from collections.abc import Callable

from ingestion.parse.document import Head
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode

# A definition at the margin, in the languages that offices keep: enough to say where a passage stands.
_DEFINITION = re.compile(
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|async|pub(?:\([a-z]+\))?"
    r"|create(?: or replace)?|local)\s+)*"
    r"(?:def|class|func|function|fn|interface|struct|enum|trait|impl|module|namespace|type|object|record|table|view"
    r"|procedure|sub)\b\s+[^\s({:;=]{1,120}",
    re.I,
)
_SECTION = re.compile(r"\[{1,2}(?!\s*+/?+\s*+ringfence)[\w. \"'-]{1,120}\]{1,2}\s*$", re.I)


def extract(data: bytes, pieces: Pieces) -> Head:
    return _read(data, pieces, _heading)


def extract_markup(data: bytes, pieces: Pieces) -> Head:
    """A text, in which a line that begins like a definition is a sentence: `Type A contracts end in May`."""
    return _read(data, pieces, lambda line: "")


def _read(data: bytes, pieces: Pieces, heading_of: Callable[[str], str]) -> Head:
    group: list[str] = []

    def flush() -> None:
        pieces.add("\n".join(group), verbatim=True)
        group.clear()

    for line in decode(data).splitlines():
        heading = heading_of(line)
        if heading or not line.strip():
            flush()
        if heading:
            pieces.add(heading, heading=1)
        if line.strip():
            group.append(line)
    flush()
    return Head("text/x-source")


def _heading(line: str) -> str:
    found = _DEFINITION.match(line) or _SECTION.match(line)
    return found.group().strip() if found else ""
