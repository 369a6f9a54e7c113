"""`ringfence index compare`: through the running service if there is one, else with the parts opened here."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from policies.terminal import folding
from rag.api.commands.asking import refusal_of
from rag.api.commands.options import AsJson, DataDir, Tenant, checked_tenant, out, print_json, settings_for, talk
from rag.api.commands.privacy_upkeep import operator
from rag.api.index_requests import QUESTIONS_MAX, SAMPLE, AskedBody
from rag.db.folder import DataFolder
from rag.errors import Misuse, Unavailable
from rag.json_lines import read_json_lines
from rag.settings import Settings

CONNECT_S = 5.0
COMPARE_S = 1800.0
Question = dict[str, Any]


def compare(
    tenant: Tenant,
    questions: Annotated[
        Path | None,
        typer.Option(
            help='JSON lines {"question": ..., "documents": [path or id]}. Default: titles of a sample ask.',
            dir_okay=False,
        ),
    ] = None,
    people: Annotated[
        list[str] | None, typer.Option("--as", help="For whom is asked. Default: people whom the policy names.")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, max=QUESTIONS_MAX, help="Documents whose titles ask.")] = SAMPLE,
    allow_missing: Annotated[
        list[str] | None, typer.Option(help="Id of a document that the index lacks and that may be seen no more.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Ask the live index and the one beside it the same questions. The figures decide whether it may be promoted.

    They are of a whole index, and count for as long as nothing of it changes: it must lack no document that people see.
    Each question is asked for a person and finds what she may read; numbers are printed, no text and no title.
    """
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    body = {
        "questions": [] if questions is None else read_questions(questions),
        "people": [one if ":" in one else f"user:{one}" for one in people or ()],
        "sample": sample,
        "allow_missing": allow_missing or [],
        "author": operator(),
    }
    figures = compared(settings, name, body)
    if as_json:
        print_json(figures)
        return
    table = folding("", f"live index {figures['live']}", f"index {figures['index']}")
    for label, key in (("hit@5", "hit5_ratio"), ("MRR", "mrr_ratio"), ("search, ms (median)", "search_ms_p50")):
        table.add_row(label, f"{figures[f'live_{key}']:g}", f"{figures[key]:g}")
    out().print(table)
    out().print(
        f"{figures['questions']} questions for {figures['people']} people, {figures['left_out']} left out; of the "
        f"first five documents, {figures['overlap5_ratio']:.0%} are the same."
    )
    if figures["missing"]:
        out().print(f"{figures['missing']} documents that people see are not in index {figures['index']}.")


def compared(settings: Settings, tenant: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a comparison that is asked for as `ComparisonRequest` says, from whoever owns the indexes.

    Raises as `rag.query.index_comparison.compare_indexes`, and `Unavailable` where the service does not answer.
    """
    folder = DataFolder(settings.data_dir)
    owner = folder.owner() if settings.index.kind == "embedded" else None
    if owner is not None and owner.url:
        headers = {"X-Ringfence-Tenant": tenant, "Authorization": f"Bearer {folder.operator_key()}"}
        return _over_http(owner.url, body, headers)
    return asyncio.run(_here(settings, folder, tenant, body))


def read_questions(path: Path) -> list[Question]:
    """The questions of a file of JSON lines.

    Raises:
        Misuse: names the line that is none, never what is in it.
    """
    wanted = 'of the form {"question": "...", "documents": ["..."]}'
    found = [line.model_dump() for line in read_json_lines(path, AskedBody, wanted, "bad_questions")]
    if not 0 < len(found) <= QUESTIONS_MAX:
        raise Misuse(f"{path} must hold 1 to {QUESTIONS_MAX} questions, and holds {len(found)}.", code="bad_questions")
    return found


def _over_http(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The figures from the service that owns the folder."""
    timeout = httpx.Timeout(COMPARE_S, connect=CONNECT_S)
    # No proxy, whatever the environment says: the service is on this machine, and the key stays on it.
    with httpx.Client(base_url=url, headers=dict(headers), timeout=timeout, trust_env=False) as client:
        try:
            response = client.post("/api/v1/index/compare", json=body)
            data: dict[str, Any] = response.json()
        except (httpx.HTTPError, json.JSONDecodeError) as cause:
            raise Unavailable(
                f"The service at {url} owns the data folder and did not compare ({type(cause).__name__}). "
                "Look at its log, and run the command again."
            ) from cause
    if response.status_code != httpx.codes.OK:
        raise refusal_of(response.status_code, {"message": data.get("detail"), "code": data.get("code")})
    return data


async def _here(settings: Settings, folder: DataFolder, tenant: str, body: Mapping[str, Any]) -> dict[str, Any]:
    # Loading the models' libraries takes seconds, which asking a running service does not need.
    from rag.api.composition import open_parts  # noqa: PLC0415 - see above
    from rag.query.samples import Asked  # noqa: PLC0415 - likewise

    if settings.index.kind == "embedded":
        folder.own()
    try:
        talk().print("No service is running: opening the indexes and the models here ...")
        async with open_parts(settings, folder) as parts:
            questions = [Asked(one["question"], tuple(one["documents"])) for one in body["questions"]]
            return dict(
                await parts.compare_indexes(
                    tenant,
                    author=body["author"],
                    questions=questions,
                    people=body["people"],
                    sample=body["sample"],
                    allowed=body.get("allow_missing", ()),
                )
            )
    finally:
        folder.release()
