"""How answers look, for the description of the API. Routes write them by hand; fields may be added to any of them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.api.records import FoundPassage, Grounds, LevelName, SpanShape


class Shape(BaseModel):
    """An object of an answer. More fields may be in it than are described."""

    model_config = ConfigDict(extra="allow")


class OpenAIErrorDetail(Shape):
    message: str
    type: str
    param: str | None = Field(description="The field or parameter that is wrong, with its place.")
    code: str = Field(description="Stable; what a program should look at.")


class OpenAIError(Shape):
    """What `/v1` answers where it refuses or fails. In a stream that has begun, it comes as an event `error`."""

    error: OpenAIErrorDetail


class Problem(Shape):
    """RFC 9457: what everything but `/v1` answers where it refuses or fails."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; what a program should look at.")
    request_id: str


class UrlCitation(Shape):
    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Shape):
    type: Literal["url_citation"]
    url_citation: UrlCitation


class AnswerMessage(Shape):
    role: Literal["assistant"]
    content: str
    refusal: str | None
    annotations: list[Annotation]


class Choice(Shape):
    index: int
    message: AnswerMessage
    logprobs: None
    finish_reason: Literal["stop"]


class UsageShape(Shape):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ExplanationShape(Shape):
    """How the answer came about, as far as its reader administers it: `withheld` counts what is not shown."""

    plan: dict[str, Any]
    candidates: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    withheld: dict[str, int] | None
    other_tenants: int | None
    claims: list[dict[str, Any]]


class AnswerRecord(Grounds):
    """What an answer rests on. `level` is the highest of what it draws on; times in `timings` are milliseconds."""

    timings: dict[str, float]
    explain: ExplanationShape | None = Field(None, description="Only with `?explain=1`.")


class ChatCompletion(Shape):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: UsageShape
    ringfence: AnswerRecord


class ModelShape(Shape):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Shape):
    object: Literal["list"]
    data: list[ModelShape]


class SearchHit(FoundPassage):
    object: Literal["search.hit"]


class SearchResults(Shape):
    object: Literal["list"]
    data: list[SearchHit]
    epoch: int
    timings: dict[str, float]
    explain: ExplanationShape | None = Field(None, description="Only with `?explain=1`.")


class PassageShape(Shape):
    document: str
    version: str
    span: SpanShape
    page: int | None
    title: str
    level: LevelName
    text: str
    url: str


class Unmasked(Shape):
    """`values` by token; `withheld` are the tokens that stay masked, whatever the reason."""

    document: str
    values: dict[str, str]
    withheld: list[str]


class FeedbackKept(Shape):
    """What was kept; `changed`: it took the place of what was said before."""

    answer_id: str
    verdict: Literal["up", "down"]
    reason: str | None
    changed: bool
    comment_kept: bool
    question_kept: bool


class Me(Shape):
    key: str
    tenant: str | None
    administrator: bool
    person: str | None
    groups: list[str]
    assistant: str | None
    source: str | None


class Published(Shape):
    """The tenant, and counts of what became visible."""

    tenant: str


class Comparison(Shape):
    """Numbers of the live index and of the one beside it; a ratio that begins with `live_` is the live one's."""

    live: int
    index: int
    versions: int
    content_digest: str
    missing: int
    questions: int
    left_out: int
    live_hit5_ratio: float
    hit5_ratio: float
    live_mrr_ratio: float
    mrr_ratio: float
    overlap5_ratio: float
    live_search_ms_p50: float
    search_ms_p50: float


class Live(Shape):
    live: bool


class Ready(Shape):
    ready: bool
    parts: dict[str, bool]


class ResourceMetadata(Shape):
    """RFC 9728: where agents get access tokens."""

    resource: str
    authorization_servers: list[str]
