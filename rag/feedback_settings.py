"""Settings of what people say about answers. A part of `rag.settings`."""

from pydantic import BaseModel, ConfigDict, Field


class FeedbackSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    comments: bool = Field(
        False, description="Keep the comment that comes with feedback, masked. Otherwise it is thrown away unread."
    )
    comment_chars_max: int = Field(1000, ge=1, le=10_000, description="Longest comment.")
    days: int = Field(
        14,
        ge=1,
        le=365,
        description="How long after an answer feedback on it is taken. Its record is looked for among those of so many "
        "days, so a longer time makes each feedback slower.",
    )
    keep_days: int = Field(
        180, ge=1, le=3650, description="Feedback that has not become a case is removed after so many days."
    )
