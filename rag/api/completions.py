"""Answers in OpenAI's shapes: whole, and as a stream. What is ours stands in `ringfence`, beside theirs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rag.api.explanation import explained
from rag.api.schemas import MODEL
from rag.domain import Answer, Citation, ReadableChunk, Span, Timings
from rag.query.account import Account

DONE = "data: [DONE]\n\n"
PASSAGE_PATH = "/api/v1/documents/{document}/versions/{version}/passage?start={start}&end={end}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the question and the answer, counted with the embedder's vocabulary."""

    prompt: int
    completion: int

    def record(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        }


@dataclass(frozen=True, slots=True)
class Shape:
    """What all objects of one response share. `public_url` is the root of the links, `account` what to explain."""

    id: str
    created: int
    public_url: str = field(default="")
    account: Account | None = field(default=None, repr=False)

    def completion(self, answer: Answer, usage: Usage) -> dict[str, Any]:
        """A whole `chat.completion`."""
        message = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "annotations": annotations(answer, self.public_url),
        }
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": usage.record(),
            "ringfence": self._record(answer),
        }

    def opening(self) -> str:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str) -> str:
        return self._chunk({"content": text})

    def closing(self, answer: Answer) -> str:
        """The last chunk of the choice: why it ended, the annotations and our record."""
        return self._chunk(
            {"annotations": annotations(answer, self.public_url)},
            finish_reason="stop",
            ringfence=self._record(answer),
        )

    def usage_chunk(self, usage: Usage) -> str:
        """Sent after the closing one, without choices, where `stream_options.include_usage` asks for it."""
        return event({**self._head(), "choices": [], "usage": usage.record()})

    def _record(self, answer: Answer) -> dict[str, Any]:
        return ringfence_record(answer, self.public_url) | explained(self.account)

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": MODEL}

    def _chunk(self, delta: Mapping[str, Any], *, finish_reason: str | None = None, **extra: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event({**self._head(), "choices": [choice], **extra})


def event(data: Mapping[str, Any], *, name: str | None = None) -> str:
    """One server-sent event. JSON has no line breaks in it, so one `data:` line is always enough."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def ringfence_record(answer: Answer, public_url: str) -> dict[str, Any]:
    """The full record of an answer: what it rests on, under which policy, how long each stage took."""
    return {
        "answer": answer.id,
        "found": answer.found,
        "level": answer.level.name.lower(),
        "epoch": answer.epoch,
        "model": answer.model,
        "citations": [citation_record(citation, public_url) for citation in answer.citations],
        "claims": [
            {"start": span.start, "end": span.end, "citations": list(numbers), "supported": bool(numbers)}
            for span, numbers in claim_spans(answer)
        ],
        "guard": {"question": list(answer.guard.question), "passages": list(answer.guard.passages)},
        "timings": timings_record(answer.timings),
    }


def citation_record(citation: Citation, public_url: str) -> dict[str, Any]:
    return {
        "number": citation.number,
        "document": citation.document,
        "version": citation.version,
        "chunk": citation.chunk,
        "title": citation.title,
        "page": citation.page,
        "span": {"start": citation.span.start, "end": citation.span.end},
        "quote": citation.quote,
        "level": citation.level.name.lower(),
        "url": passage_url(public_url, citation.document, citation.version, citation.span),
    }


def timings_record(timings: Timings) -> dict[str, float]:
    """Milliseconds by stage, and their sum."""
    return {**{stage: round(ms, 2) for stage, ms in timings.stages}, "total_ms": round(timings.total_ms, 2)}


def hit_record(found: ReadableChunk, public_url: str) -> dict[str, Any]:
    """A passage that was found, as a search shows it."""
    chunk = found.chunk
    return {
        "object": "search.hit",
        "document": chunk.document,
        "version": chunk.version,
        "chunk": chunk.id,
        "title": found.title,
        "heading": chunk.heading,
        "page": chunk.page,
        "span": {"start": chunk.span.start, "end": chunk.span.end},
        "text": chunk.text,
        "level": found.attributes.level.name.lower(),
        "score": found.score,
        "similarity": found.similarity,
        "url": passage_url(public_url, chunk.document, chunk.version, chunk.span),
    }


def passage_url(public_url: str, document: str, version: str, span: Span) -> str:
    """A link that stays the same and is decided on each time it is opened."""
    return public_url + PASSAGE_PATH.format(document=document, version=version, start=span.start, end=span.end)


def annotations(answer: Answer, public_url: str) -> list[dict[str, Any]]:
    """One `url_citation` per claim and citation; `start_index` to `end_index` (exclusive) is the claim."""
    by_number = {citation.number: citation for citation in answer.citations}
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": span.start,
                "end_index": span.end,
                "title": by_number[number].title,
                "url": passage_url(
                    public_url, by_number[number].document, by_number[number].version, by_number[number].span
                ),
            },
        }
        for span, numbers in claim_spans(answer)
        for number in numbers
        if number in by_number
    ]


def claim_spans(answer: Answer) -> list[tuple[Span, tuple[int, ...]]]:
    """Where each claim stands in the answer's text, in order; a claim that is not there is left out."""
    found: list[tuple[Span, tuple[int, ...]]] = []
    cursor = 0
    for claim in answer.claims:
        start = answer.text.find(claim.text, cursor)
        if start < 0 or not claim.text:
            continue
        cursor = start + len(claim.text)
        found.append((Span(start, cursor), claim.citations))
    return found
