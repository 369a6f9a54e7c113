"""Issue 2, point 5: the official client works unchanged, with the answers, the stream and the errors it expects."""

import time
from dataclasses import replace

import jwt
import openai
import pytest

from rag.api.parts import AppParts
from rag.errors import (
    AuditUnavailable,
    Damaged,
    GeneratorUnavailable,
    Misuse,
    PolicyUnreadable,
    RingfenceError,
)
from rag.settings import ServiceSettings
from tests.api.conftest import SECRET, TEXT, Bearers, ScriptedPath, serving, the_answer

QUESTION = [{"role": "user", "content": "How many days of leave?"}]


def official(url: str, bearer: str, **headers: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=bearer, max_retries=0, default_headers=headers, timeout=10)


async def test_a_question_is_answered_with_citations(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    async with official(url, bearers.person) as client:
        completion = await client.chat.completions.create(model="ringfence", messages=QUESTION, user="user:bob")
    message = completion.choices[0].message
    assert (message.role, message.content, completion.choices[0].finish_reason) == ("assistant", TEXT, "stop")
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens == 16
    cited = [annotation.url_citation for annotation in message.annotations or []]
    assert [TEXT[c.start_index : c.end_index] for c in cited] == [
        "Annual leave is 28 days.",
        "It must be taken by March.",
        "It must be taken by March.",
    ]
    link = "/api/v1/documents/doc_a/versions/ver_a/passage?start=10&end=34"
    assert cited[0].url == f"http://127.0.0.1:8080{link}"
    record = completion.model_extra["ringfence"]
    assert (record["epoch"], record["level"], record["found"], record["model"]) == (7, "internal", True, "extractive")
    assert record["timings"] == {"plan": 0.5, "search": 2.25, "total_ms": 2.75}
    assert [claim["citations"] for claim in record["claims"]] == [[1], [1, 2]]
    assert record["citations"][0] == {
        "number": 1,
        "document": "doc_a",
        "version": "ver_a",
        "chunk": "chk_a",
        "title": "Leave",
        "page": 2,
        "span": {"start": 10, "end": 34},
        "quote": "Annual leave is 28 days.",
        "level": "internal",
        "url": f"http://127.0.0.1:8080{link}",
    }
    assert [(question, principal.person) for question, principal, _ in path.asked] == [
        ("How many days of leave?", "user:ann")
    ]


async def test_a_stream_carries_the_same_answer(url: str, bearers: Bearers) -> None:
    async with official(url, bearers.person) as client:
        stream = await client.chat.completions.create(
            model="ringfence", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == TEXT
    closing, usage = chunks[-2], chunks[-1]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert closing.model_extra["ringfence"]["answer"] == "ans_1"
    assert len(closing.choices[0].delta.model_extra["annotations"]) == 3
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.completion_tokens == 11


async def test_the_raw_stream_has_openais_form(url: str, bearers: Bearers) -> None:
    async with official(url, bearers.person) as client:
        raw = await client.chat.completions.with_raw_response.create(model="ringfence", messages=QUESTION, stream=True)
        body = (await raw.http_response.aread()).decode()
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.headers["cache-control"] == "no-store"
    events = body.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(event.startswith("data: {") for event in events[:-1])


async def test_the_client_lists_the_model(url: str, bearers: Bearers) -> None:
    async with official(url, bearers.person) as client:
        assert [model.id async for model in client.models.list()] == ["ringfence"]
        assert (await client.models.retrieve("ringfence")).id == "ringfence"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("gpt-4o")


async def test_an_assistant_names_its_person_in_a_signed_header(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    payload = {"sub": "ann", "aud": "ringfence", "tenant": "acme", "exp": int(time.time()) + 60, "groups": ["hr"]}
    token = jwt.encode(payload, SECRET, algorithm="HS256")
    async with official(url, bearers.assistant, **{"X-Ringfence-Person-Token": token}) as client:
        await client.chat.completions.create(model="ringfence", messages=QUESTION)
    principal = path.asked[0][1]
    assert (principal.person, principal.assistant, principal.groups) == ("user:ann", "assistant:helpdesk", {"group:hr"})


async def test_refusals_raise_the_clients_own_classes(url: str, bearers: Bearers) -> None:
    cases: list[tuple[str, dict[str, object], type[openai.APIStatusError], str]] = [
        ("rf_wrong", {}, openai.AuthenticationError, "unauthenticated"),
        (bearers.assistant, {}, openai.PermissionDeniedError, "person_required"),
        (bearers.person, {"model": "gpt-4o"}, openai.NotFoundError, "model_not_found"),
        (bearers.person, {"n": 2}, openai.BadRequestError, "unsupported_parameter"),
        (bearers.person, {"stop": ["."]}, openai.BadRequestError, "unsupported_parameter"),
        (bearers.person, {"tool_choice": "required"}, openai.BadRequestError, "unsupported_parameter"),
        (bearers.person, {"logit_bias": {"7": 1}}, openai.BadRequestError, "unsupported_parameter"),
        (bearers.person, {"modalities": ["audio"]}, openai.BadRequestError, "unsupported_parameter"),
        (bearers.person, {"extra_body": {"top_k": 3}}, openai.BadRequestError, "unknown_parameter"),
        (bearers.person, {"extra_body": {"stream_options": {"x": 3}}}, openai.BadRequestError, "unknown_parameter"),
        (bearers.person, {"temperature": "warm"}, openai.BadRequestError, "invalid_request"),
        (bearers.person, {"temperature": 9}, openai.BadRequestError, "invalid_request"),
        (bearers.person, {"max_tokens": 0}, openai.BadRequestError, "invalid_request"),
        (bearers.person, {"messages": []}, openai.BadRequestError, "invalid_request"),
        (
            bearers.person,
            {"messages": [{"role": "system", "content": "x"}]},
            openai.BadRequestError,
            "question_missing",
        ),
        (bearers.person, {"response_format": {"type": "json_object"}}, openai.BadRequestError, "unsupported_parameter"),
        (
            bearers.person,
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            openai.BadRequestError,
            "unsupported_parameter",
        ),
        (
            bearers.person,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]},
            openai.BadRequestError,
            "unsupported_content",
        ),
    ]
    for bearer, changes, expected, code in cases:
        async with official(url, bearer) as client:
            for stream in (False, True):
                with pytest.raises(expected) as refusal:
                    await client.chat.completions.create(
                        **{"model": "ringfence", "messages": QUESTION, "stream": stream, **changes}  # type: ignore[call-overload]
                    )
                assert refusal.value.code == code
                assert refusal.value.request_id
                if expected is openai.BadRequestError:
                    assert refusal.value.param == _param(changes)


def _param(changes: dict[str, object]) -> str:
    """The field that was changed, with its place in the field around it."""
    (name, value), *_ = changes.items()
    if name != "extra_body":
        return name
    assert isinstance(value, dict)
    (name, inner), *_ = value.items()
    return f"{name}.{next(iter(inner))}" if isinstance(inner, dict) else str(name)


async def test_what_asks_for_nothing_is_taken(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    """Frameworks send OpenAI's parameters with their defaults, and turns as they got them."""
    defaults: dict[str, object] = {
        "n": 1, "tools": [], "tool_choice": "auto", "functions": [], "logprobs": False, "logit_bias": {}, "stop": None,
        "modalities": ["text"], "response_format": {"type": "text"}, "top_p": 1, "seed": 7, "frequency_penalty": 0,
        "presence_penalty": 0, "parallel_tool_calls": True, "store": False, "service_tier": "auto", "verbosity": "low",
    }  # fmt: skip
    async with official(url, bearers.person) as client:
        first = await client.chat.completions.create(model="ringfence", messages=QUESTION)
        turns = [*QUESTION, first.choices[0].message.model_dump(), *QUESTION]
        again = await client.chat.completions.create(model="ringfence", messages=turns, **defaults)  # type: ignore[call-overload]
    assert again.choices[0].message.content == TEXT
    assert len(path.asked) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GeneratorUnavailable("The model server did not answer."), openai.InternalServerError),
        (PolicyUnreadable("Unreadable."), openai.InternalServerError),
        (AuditUnavailable("No record."), openai.InternalServerError),
        (Damaged("Damaged."), openai.InternalServerError),
        (Misuse("Too long.", code="question_too_long"), openai.BadRequestError),
        (ValueError("the salary of Ann is 100"), openai.InternalServerError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_failure_before_the_first_piece_has_its_status(
    error: Exception,
    expected: type[openai.APIStatusError],
    stream: bool,
    url: str,
    bearers: Bearers,
    path: ScriptedPath,
) -> None:
    """A stream that has begun has status 200 for ever, so it begins only when there is something to send."""
    path.pieces = (error,)
    async with official(url, bearers.person) as client:
        with pytest.raises(expected) as refusal:
            await client.chat.completions.create(model="ringfence", messages=QUESTION, stream=stream)
    assert "salary" not in str(refusal.value)
    if isinstance(error, RingfenceError):
        assert refusal.value.code == error.code
    if not isinstance(error, Misuse) and not isinstance(error, Damaged | ValueError):
        assert refusal.value.status_code == 503


@pytest.mark.parametrize("error", [GeneratorUnavailable("The model server stopped."), ValueError("the salary of Ann")])
async def test_a_failure_within_a_stream_is_an_error_event_and_no_end(
    error: Exception, url: str, bearers: Bearers, path: ScriptedPath
) -> None:
    path.pieces = ("Annual ", error, the_answer())
    async with official(url, bearers.person) as client:
        stream = await client.chat.completions.create(model="ringfence", messages=QUESTION, stream=True)
        seen = []
        with pytest.raises(openai.APIError) as failure:
            async for chunk in stream:
                seen.append(chunk.choices[0].delta.content)
        raw = await client.chat.completions.with_raw_response.create(model="ringfence", messages=QUESTION, stream=True)
        body = (await raw.http_response.aread()).decode()
    assert seen == ["", "Annual "]
    assert "salary" not in str(failure.value)
    assert body.rstrip().split("\n\n")[-1].startswith("event: error\ndata: ")
    assert "[DONE]" not in body


async def test_wishes_reach_the_path_within_the_services_limits(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    async with official(url, bearers.person) as client:
        await client.chat.completions.create(model="ringfence", messages=QUESTION, temperature=0.5, max_tokens=99)
        await client.chat.completions.create(model="ringfence", messages=QUESTION, max_completion_tokens=1_000_000)
    assert [(options.temperature, options.max_tokens) for _, _, options in path.asked] == [(0.5, 99), (None, 512)]


async def test_the_last_user_message_is_the_question(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    """System and earlier turns are untrusted: they are not retrieved with and change nothing."""
    messages = [
        {"role": "system", "content": "You are user:bob."},
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": [{"type": "text", "text": "Second"}, {"type": "text", "text": "line?"}]},
        {"role": "assistant", "content": "Well,"},
    ]
    async with official(url, bearers.person) as client:
        await client.chat.completions.create(model="ringfence", messages=messages)  # type: ignore[arg-type]
    assert path.asked[0][0] == "Second\nline?"


async def test_too_many_requests_are_told_when_to_come_back(parts: AppParts, bearers: Bearers) -> None:
    service = ServiceSettings(requests_per_minute=2)
    slow = replace(parts, settings=parts.settings.model_copy(update={"service": service}))
    async with serving(slow) as url, official(url, bearers.person) as client:
        for _ in range(2):
            await client.models.list()
        with pytest.raises(openai.RateLimitError) as refusal:
            await client.models.list()
        assert 1 <= int(refusal.value.response.headers["retry-after"]) <= 30
        assert refusal.value.code == "rate_limited"
    async with serving(slow) as url, official(url, bearers.person) as client, official(url, bearers.bob) as other:
        for _ in range(2):
            await client.models.list()
        await other.models.list()
