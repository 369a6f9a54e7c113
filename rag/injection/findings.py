"""What the detector can say about a text: fixed codes, never the text."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

DETECTOR_VERSION = "2"
"""Changes when the same text could be judged otherwise: documents are then read again."""


class Code(StrEnum):
    """The families of text that speaks to a model instead of a reader. Stable: in records, metrics and settings."""

    OVERRIDE = "instruction_override"
    ROLE = "role_change"
    EXTRACTION = "prompt_extraction"
    READER = "instruction_to_ai"
    EXFILTRATION = "exfiltration_link"
    MARKUP = "chat_markup"
    HIDDEN = "hidden_text"
    ENCODED = "encoded_instruction"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One rule that matched: its name, and how the text had to be read (plain, or what undid a disguise)."""

    code: Code
    rule: str
    view: str = "plain"


def codes_in(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The codes, each once, sorted."""
    return tuple(sorted({finding.code.value for finding in findings}))
