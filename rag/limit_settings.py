"""Settings of what one person and one assistant may use. A part of `rag.settings`.

An error that says 429 carries the name of the limit as its code.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LimitSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    person_requests_per_minute: int | None = Field(
        None, ge=1, description="Whatever her keys and assistants. Default: as service.requests_per_minute."
    )
    assistant_requests_per_minute: int | None = Field(
        None, ge=1, description="For all people and by all its keys together. Default: none but that of each key."
    )
    answers_at_once: int = Field(
        64, ge=1, description="Answers and searches that one process works on; more wait in a queue."
    )
    person_answers_at_once: int = Field(8, ge=1, description="The same, for one person.")
    assistant_answers_at_once: int | None = Field(
        None, ge=1, description="The same, for one assistant. Default: answers_at_once."
    )
    queue_wait_s: float = Field(10.0, ge=0, description="Longest wait in that queue; then the answer is 429.")
    queue_length: int = Field(
        64, ge=0, description="Questions and searches of one tenant that may wait in one process."
    )
    person_tokens_per_day: int | None = Field(
        None,
        ge=1,
        description="Tokens of questions and of what the generator wrote, from midnight to midnight UTC, in all "
        "processes. A question takes its own and those of the longest answer, and gets back what was not written. "
        "Default: no limit.",
    )
    assistant_tokens_per_day: int | None = Field(None, ge=1, description="The same, for one assistant.")
    person_restricted_chunks_per_day: int | None = Field(
        None,
        ge=1,
        description="Different restricted chunks that answers, searches and opened passages may draw on for one person "
        "from midnight to midnight UTC, in all processes: few questions need many, a copy of the archive needs all. "
        "Default: no limit.",
    )
    assistant_restricted_chunks_per_day: int | None = Field(None, ge=1, description="The same, for one assistant.")
    restricted_level: Literal["internal", "confidential", "restricted", "secret"] = Field(
        "confidential", description="Chunks of this level and above count as restricted."
    )
    restricted_compartments: bool = Field(True, description="Chunks with a compartment count as restricted as well.")
