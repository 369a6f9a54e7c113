"""What a comparison of two indexes is asked with. Light: the command line checks its file of questions by it."""

from pydantic import BaseModel, ConfigDict, Field

QUESTIONS_MAX = 2000
PEOPLE_MAX = 20
MISSING_MAX = 1000
SAMPLE = 100
"""Documents whose titles ask, where no questions are given."""


class AskedBody(BaseModel):
    """A question, and what it asks for: paths in a source, or ids of documents."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    question: str = Field(min_length=1, max_length=4000, repr=False)
    documents: list[str] = Field(min_length=1, max_length=100, repr=False)


class ComparisonRequest(BaseModel):
    """Without `questions`, titles of a sample of documents ask; without `people`, for those whom the policy names.

    `allow_missing` are ids of documents that the index beside the live one may lack.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    questions: list[AskedBody] = Field([], max_length=QUESTIONS_MAX, repr=False)
    people: list[str] = Field([], max_length=PEOPLE_MAX)
    sample: int = Field(SAMPLE, ge=1, le=QUESTIONS_MAX)
    allow_missing: list[str] = Field([], max_length=MISSING_MAX)
    author: str = Field("operator:unknown", pattern=r"operator:[A-Za-z0-9_.-]{1,128}")
