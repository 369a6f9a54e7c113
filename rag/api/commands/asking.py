"""`ringfence ask`: through the running service if there is one, else with the parts opened here."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape

from rag.api.commands.explanation import print_explanation
from rag.api.commands.options import AsJson, DataDir, Tenant, checked_tenant, out, print_json, settings_for, talk
from rag.api.schemas import MODEL, checked_question
from rag.db.folder import DataFolder
from rag.errors import (
    Conflict,
    Damaged,
    Denied,
    Limited,
    Misuse,
    NotFound,
    RingfenceError,
    Unauthenticated,
    Unavailable,
)
from rag.settings import Settings

CONNECT_S = 5.0
ANSWER_S = 180.0


def ask(
    question: Annotated[str, typer.Argument(help="In quotes.")],
    person: Annotated[str, typer.Option("--as", help="Who asks: user:ann, or just ann.")],
    tenant: Tenant,
    assistant: Annotated[
        str | None, typer.Option(help="The program that asks on her behalf: both must be allowed.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer while it is written.")] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Print why as well: rules, candidates, rejected claims."),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Ask a question and get an answer with citations, from what that person may read."""
    settings = settings_for(data_dir)
    question = checked_question(question, "question", settings)
    headers = {"X-Ringfence-Tenant": checked_tenant(tenant), "X-Ringfence-Person": person}
    if assistant is not None:
        headers["X-Ringfence-Assistant"] = assistant
    show = None if as_json or not stream else _print_piece
    folder = DataFolder(settings.data_dir)
    owner = folder.owner() if settings.index.kind == "embedded" else None
    if owner is not None and owner.url:
        headers["Authorization"] = f"Bearer {folder.operator_key()}"
        completion = over_http(owner.url, question, headers, show, explain=explain)
    else:
        completion = asyncio.run(_here(settings, folder, question, headers, show, explain=explain))
    if as_json:
        print_json(completion)
        return
    _print(completion, streamed=show is not None)
    if explain:
        print_explanation(completion["ringfence"]["explain"], out())


def over_http(
    url: str, question: str, headers: Mapping[str, str], show: Callable[[str], None] | None, *, explain: bool
) -> dict[str, Any]:
    """The completion from the service that owns the folder."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}], "stream": show is not None}
    query = {"explain": "1"} if explain else {}
    # No proxy, whatever the environment says: the service is on this machine, and the key stays on it.
    with httpx.Client(
        base_url=url, headers=headers, timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), trust_env=False
    ) as client:
        try:
            if show is None:
                return _completion(client.post("/v1/chat/completions", json=body, params=query))
            with client.stream("POST", "/v1/chat/completions", json=body, params=query) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    return _completion(response)
                return _collected(response.iter_lines(), show)
        except httpx.HTTPError as cause:
            raise Unavailable(
                f"The service at {url} owns the data folder but does not answer ({type(cause).__name__}). "
                "Look at its log; if it is gone, this works again as soon as its process has ended."
            ) from cause


def _completion(response: httpx.Response) -> dict[str, Any]:
    try:
        data = response.json()
    except json.JSONDecodeError as cause:
        raise Unavailable(f"The service answered with status {response.status_code} and no JSON.") from cause
    if response.status_code != httpx.codes.OK:
        raise refusal_of(response.status_code, data.get("error", {}), response.headers.get("Retry-After"))
    return dict(data)


def refusal_of(status: int, error: Mapping[str, Any], retry_after: str | None = None) -> RingfenceError:
    """The error that the service answered with, as it would have been raised here."""
    message, code = str(error.get("message", f"The service answered {status}.")), error.get("code")
    if status == httpx.codes.UNAUTHORIZED:
        return Unauthenticated()
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Limited(message, retry_after_s=float(retry_after or 1), code=code)
    classes: Mapping[int, type[RingfenceError]] = {
        400: Misuse,
        403: Denied,
        404: NotFound,
        409: Conflict,
        413: Misuse,
        500: Damaged,
        503: Unavailable,
    }
    return classes.get(status, Unavailable)(message, code=code)


def _collected(lines: Iterator[str], show: Callable[[str], None]) -> dict[str, Any]:
    """A streamed answer, shown piece by piece, as the completion it would have been."""
    text: list[str] = []
    for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise Unavailable(str(chunk["error"].get("message")), code=chunk["error"].get("code"))
        delta = chunk["choices"][0]["delta"] if chunk.get("choices") else {}
        if piece := delta.get("content"):
            text.append(piece)
            show(piece)
        if "ringfence" in chunk:
            message = {"role": "assistant", "content": "".join(text), "annotations": delta.get("annotations", [])}
            head = {name: chunk[name] for name in ("id", "created", "model", "ringfence")}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return {**head, "object": "chat.completion", "choices": [choice]}
    raise Unavailable("The service ended the stream before the answer was complete.")


async def _here(
    settings: Settings,
    folder: DataFolder,
    question: str,
    headers: Mapping[str, str],
    show: Callable[[str], None] | None,
    *,
    explain: bool,
) -> dict[str, Any]:
    """The completion from parts opened in this process, through the same path as the service's."""
    # Loading the models' libraries takes seconds, which asking a running service does not need.
    from rag.api.local import complete  # noqa: PLC0415 - see above

    if settings.index.kind == "embedded":
        folder.own()
    try:
        talk().print("No service is running: opening the index and the models here ...")
        return await complete(settings, folder, question, headers, show, explain=explain)
    finally:
        folder.release()


def _print_piece(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _print(completion: Mapping[str, Any], *, streamed: bool) -> None:
    """The answer and its sources on standard output; where the time went on standard error."""
    record = completion["ringfence"]
    typer.echo("" if streamed else completion["choices"][0]["message"]["content"])
    console = out()
    for citation in record["citations"]:
        page = "" if citation["page"] is None else f", page {citation['page']}"
        console.print(f"  \\[{citation['number']}] {escape(citation['title'])}{page} ({citation['level']})")
        console.print(f"      {escape(citation['url'])}")
    timings = record["timings"]
    stages = ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in timings.items() if stage != "total_ms")
    talk().print(
        f"{timings['total_ms'] / 1000:.2f} s by {escape(record['model'])}, policy version {record['epoch']} ({stages})"
    )
