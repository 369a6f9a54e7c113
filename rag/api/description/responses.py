"""How answers look, for the description of the API. Routes write them by hand; fields may be added to any of them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LevelName = Literal["public", "internal", "confidential", "restricted", "secret"]


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


class SpanShape(Shape):
    """Offsets in Unicode characters of the document version's text; `end` is exclusive."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


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


class CitationShape(Shape):
    number: int = Field(ge=1)
    document: str
    version: str
    chunk: str
    title: str
    page: int | None
    span: SpanShape
    quote: str
    level: LevelName
    url: str = Field(description="Opens the passage, for whoever may read it at that moment.")


class ClaimShape(Shape):
    """A sentence of the answer: its place in the text, and the numbers of the citations that it rests on."""

    start: int
    end: int
    citations: list[int]


class AnswerRecord(Shape):
    """What an answer rests on. `level` is the highest of what it draws on; times in `timings` are milliseconds."""

    answer: str
    found: bool
    level: LevelName
    epoch: int = Field(description="Version of the policy that it was decided by.")
    model: str = Field(description="The generator that wrote it.")
    citations: list[CitationShape]
    claims: list[ClaimShape]
    timings: dict[str, float]


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


class SearchHit(Shape):
    object: Literal["search.hit"]
    document: str
    version: str
    chunk: str
    title: str
    heading: str
    page: int | None
    span: SpanShape
    text: str
    level: LevelName
    score: float
    similarity: float | None
    url: str


class SearchResults(Shape):
    object: Literal["list"]
    data: list[SearchHit]
    epoch: int
    timings: dict[str, float]


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


class Live(Shape):
    live: bool


class Ready(Shape):
    ready: bool
    parts: dict[str, bool]


class ResourceMetadata(Shape):
    """RFC 9728: where agents get access tokens."""

    resource: str
    authorization_servers: list[str]
