"""What a child says, as bytes: a line of JSON, then a payload. Standard library only."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ingestion.parse.document import Extracted, Refused


def extracted(found: Extracted) -> dict[str, object]:
    wire = asdict(found)
    wire["pieces"] = [[piece.text, piece.heading, piece.page, piece.part, piece.beside] for piece in found.pieces]
    return wire


def refused(refusal: Refused) -> dict[str, object]:
    return {"reason": str(refusal.reason), "detail": refusal.detail}


def write(result: int, answer: Mapping[str, object], cut: Sequence[str], payload: bytes = b"") -> None:
    """Write the answer to this descriptor and close it. `cut` says what was taken from this process, for the report."""
    line = json.dumps({**answer, "cut": list(cut)}, ensure_ascii=False).encode("utf-8", "replace")
    with os.fdopen(result, "wb") as sink:
        sink.write(line + b"\n")
        sink.write(payload)
