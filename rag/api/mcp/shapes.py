"""What agents send and get: the arguments of the tools, and results as records and as text to read.

The records are those of the HTTP API (`rag.api.records`). Their JSON schemas are what the tools declare.
"""

from typing import Any

from mcp_types import CallToolResult, ContentBlock, ResourceLink, TextContent
from pydantic import BaseModel, ConfigDict, Field

from rag.api.completions import claim_spans, hit_record, ringfence_record
from rag.api.records import FoundPassage, Grounds, Record
from rag.domain import Answer
from rag.query.found import Found

MEDIA_TYPE = "text/plain"
"""Of the passages that links lead to, as `resources/read` gives them."""


class _Arguments(BaseModel):
    # A mistyped argument would otherwise change nothing, silently.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SearchArguments(_Arguments):
    query: str = Field(repr=False, description="What to look for, in words.")
    limit: int = Field(10, ge=1, le=50, description="Most passages to return.")


class AskArguments(_Arguments):
    question: str = Field(repr=False, description="One question, understandable by itself.")


class SearchRecord(Record):
    passages: list[FoundPassage]
    epoch: int = Field(description="Version of the access policy that decided.")


class AskRecord(Grounds):
    text: str = Field(repr=False, description="The answer, or words that say that none was found.")


def search_result(found: Found, public_url: str) -> CallToolResult:
    """The passages as records, as one text, and as links."""
    record = SearchRecord.model_validate(
        {"passages": [hit_record(chunk, public_url) for chunk in found.chunks], "epoch": found.epoch}
    )
    texts = [
        f"[{number}] {_place(passage.title, passage.heading, passage.page)}\n{passage.text}\n{passage.url}"
        for number, passage in enumerate(record.passages, start=1)
    ]
    links = {passage.url: passage.title for passage in record.passages}
    return _result("\n\n".join(texts) or "Nothing was found.", links, record)


def ask_result(answer: Answer, public_url: str) -> CallToolResult:
    """The answer as a record, as a text with numbered citations, and links to what they cite."""
    record = AskRecord.model_validate({"text": answer.text, **ringfence_record(answer, public_url)})
    sources = [f"[{one.number}] {_place(one.title, '', one.page)}\n{one.url}" for one in record.citations]
    text = "\n\n".join([_with_numbers(answer), *sources])
    return _result(text, {one.url: one.title for one in record.citations}, record)


def _with_numbers(answer: Answer) -> str:
    """The answer's text with `[1][2]` after each claim that rests on citations 1 and 2."""
    text, shown = answer.text, 0
    pieces: list[str] = []
    for span, numbers in claim_spans(answer):
        pieces += [text[shown : span.end], " " if numbers else "", *(f"[{number}]" for number in numbers)]
        shown = span.end
    return "".join([*pieces, text[shown:]])


def _place(title: str, heading: str, page: int | None) -> str:
    parts = (title, heading, "" if page is None else f"page {page}")
    return ", ".join(part for part in dict.fromkeys(parts) if part)


def _result(text: str, links: dict[str, str], record: BaseModel) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(text=text)]
    content += [
        ResourceLink(uri=url, name=title or "passage", title=title or None, mime_type=MEDIA_TYPE)
        for url, title in links.items()
    ]
    structured: dict[str, Any] = record.model_dump(mode="json")
    return CallToolResult(content=content, structured_content=structured)
