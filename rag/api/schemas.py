"""What callers may send: the shapes, and clear refusals of what we do not do.

Nothing here says who the caller is: OpenAI's `user` field is a label of the client's own and is ignored.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.errors import Misuse, NotFound, RingfenceError
from rag.settings import Settings

MODEL = "ringfence"
MESSAGES_MAX = 500
_Body = TypeVar("_Body", bound=BaseModel)


class BadParameter(Misuse):
    """A field whose value cannot be used; `param` names it."""

    def __init__(self, param: str, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.param = param


class _Request(BaseModel):
    # A field that nobody knows is a mistake, and whoever made it should hear of it: as OpenAI's own servers do.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class ChatMessage(_Request):
    """One turn. Of what clients send back with earlier ones (`annotations`, `tool_calls`), nothing is used."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = Field(None, repr=False)


class StreamOptions(_Request):
    include_usage: bool = False
    include_obfuscation: bool = Field(False, description="Ignored.")


_UNSUPPORTED = "Not supported here; only the value that changes nothing is taken."
_IGNORED = "Taken and ignored: it changes nothing that is answered here."


class ChatRequest(_Request):
    """OpenAI's chat completion request: what means something here, what is ignored, and what is refused by name."""

    model: str = Field(max_length=128, description=f"There is one: {MODEL!r}.")
    messages: list[ChatMessage] = Field(
        min_length=1,
        max_length=MESSAGES_MAX,
        repr=False,
        description="The last one of the user is the question. Earlier turns and system messages are not used.",
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)

    n: int | None = Field(None, ge=1, description=_UNSUPPORTED)
    tools: Any = Field(None, description=_UNSUPPORTED)
    tool_choice: Any = Field(None, description=_UNSUPPORTED)
    functions: Any = Field(None, description=_UNSUPPORTED)
    function_call: Any = Field(None, description=_UNSUPPORTED)
    logprobs: Any = Field(None, description=_UNSUPPORTED)
    top_logprobs: Any = Field(None, description=_UNSUPPORTED)
    logit_bias: Any = Field(None, description=_UNSUPPORTED)
    stop: Any = Field(None, description=_UNSUPPORTED)
    audio: Any = Field(None, description=_UNSUPPORTED)
    modalities: Any = Field(None, description=_UNSUPPORTED)
    prediction: Any = Field(None, description=_UNSUPPORTED)
    response_format: Any = Field(None, description=_UNSUPPORTED)
    web_search_options: Any = Field(None, description=_UNSUPPORTED)

    user: Any = Field(None, description=_IGNORED)
    safety_identifier: Any = Field(None, description=_IGNORED)
    metadata: Any = Field(None, description=_IGNORED)
    store: Any = Field(None, description=_IGNORED)
    seed: Any = Field(None, description=_IGNORED)
    top_p: Any = Field(None, description=_IGNORED)
    frequency_penalty: Any = Field(None, description=_IGNORED)
    presence_penalty: Any = Field(None, description=_IGNORED)
    parallel_tool_calls: Any = Field(None, description=_IGNORED)
    prompt_cache_key: Any = Field(None, description=_IGNORED)
    prompt_cache_retention: Any = Field(None, description=_IGNORED)
    reasoning_effort: Any = Field(None, description=_IGNORED)
    service_tier: Any = Field(None, description=_IGNORED)
    verbosity: Any = Field(None, description=_IGNORED)


class SearchRequest(_Request):
    query: str = Field(repr=False)
    limit: int = Field(10, ge=1, le=50)


async def read_body(request: Request, model: type[_Body]) -> _Body:
    """Parse the body, now: routes call this after the caller is known, not before.

    Raises:
        RequestValidationError: not JSON, or not of this form.
        RingfenceError: not declared as JSON (`unsupported_media_type`).
    """
    require_json(request)
    raw = await request.body()
    try:
        return model.model_validate_json(raw)
    except ValidationError as cause:
        found = [{**error, "loc": ("body", *error["loc"])} for error in cause.errors(include_url=False)]
        raise RequestValidationError(found) from None


def require_json(request: Request) -> None:
    """Refuse a body that is not declared as JSON (`unsupported_media_type`)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RingfenceError("Send JSON with Content-Type: application/json.", code="unsupported_media_type")


def question_of(chat: ChatRequest, settings: Settings) -> str:
    """The last message of the user. Earlier turns and system messages are untrusted and not retrieved with.

    Raises:
        BadParameter: no such message, or its content is not text.
    """
    asked = next((message for message in reversed(chat.messages) if message.role == "user"), None)
    if asked is None:
        raise BadParameter("messages", "There is no user message, so there is no question.", code="question_missing")
    return checked_question(_text(asked.content), "messages", settings)


def checked_question(text: str, param: str, settings: Settings) -> str:
    """Return `text` without surrounding spaces.

    Raises:
        BadParameter: it is empty, too long, or not valid Unicode.
    """
    question, longest = text.strip(), settings.service.question_chars_max
    if not question:
        raise BadParameter(param, "The question is empty.", code="question_missing")
    if len(question) > longest:
        raise BadParameter(
            param,
            f"The question is longer than {longest} characters (service.question_chars_max).",
            code="question_too_long",
        )
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise BadParameter(param, "The question is not valid Unicode.")
    return question


def refuse_unsupported(chat: ChatRequest) -> None:
    """Say clearly what this service does not do, rather than do something else.

    Raises:
        BadParameter: names the field.
    """
    if chat.model != MODEL:
        raise NoSuchModel()
    for param, harmless in _HARMLESS.items():
        value = getattr(chat, param)
        if value and value not in harmless:
            raise BadParameter(param, f"This service does not support `{param}`.", code="unsupported_parameter")


_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "tools": (),
    "tool_choice": ("none", "auto"),
    "functions": (),
    "function_call": ("none", "auto"),
    "logprobs": (),
    "top_logprobs": (),
    "logit_bias": (),
    "stop": (),
    "audio": (),
    "modalities": (["text"],),
    "prediction": (),
    "response_format": ({"type": "text"},),
    "web_search_options": (),
}
"""What is not done here, and the values that ask for nothing. Whatever is empty asks for nothing either."""


class NoSuchModel(NotFound):
    """As OpenAI's servers answer for an unknown model."""

    param = "model"

    def __init__(self) -> None:
        super().__init__(f"There is one model here: {MODEL!r}. `GET /v1/models` lists it.", code="model_not_found")


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, str):
        return content
    parts = content or []
    if not all(part.get("type") == "text" and isinstance(part.get("text"), str) for part in parts):
        raise BadParameter("messages", "Only text content is supported.", code="unsupported_content")
    return "\n".join(part["text"] for part in parts)
