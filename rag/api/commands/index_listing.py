"""`ringfence index list`, and whether the settings are what made the live index."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.terminal import folding
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
    talk,
)
from rag.db.index_table import STANDING, IndexState, IndexVersionRow
from rag.db.index_versions import FIRST, IndexVersion, IndexVersions
from rag.db.trainable import shown_contents
from rag.domain import digest_of
from rag.embedding.locate import locate
from rag.embedding.tuned import TunedModels
from rag.settings import Settings


def list_indexes(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Which indexes there are, what made each, and whether the settings name what made the live one."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    rows, notice = asyncio.run(_listed(settings, name))
    if as_json:
        print_json({"tenant": name, "indexes": rows, "notice": notice})
        return
    table = folding("index", "state", "embedder", "chunk tokens", "chunks", "missing", "hit@5 (live)", "MRR (live)")
    for row in rows:
        figures = row["figures"]
        table.add_row(
            str(row["number"]), row["state"], row["embedder"] or "not recorded",
            "as set" if row["chunk_tokens"] is None else str(row["chunk_tokens"]), str(row["chunks"]),
            str(row["missing"]), _beside(figures, "hit5_ratio"), _beside(figures, "mrr_ratio"),
        )  # fmt: skip
    out().print(table)
    for row in rows:
        if row["tuned_on"] and row["state"] in STANDING:
            talk().print(
                f"note: the model of index {row['number']} was trained on {row['tuned_on']['documents']} documents, of "
                f"which {row['tuned_on']['gone']} are gone or changed since; its weights may still hold them.",
            )
    if notice:
        talk().print(f"note: {notice}", markup=False)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Why the settings are not what made a live index. `answers`: questions are answered from it all the same."""

    sentence: str
    answers: bool


def disagreement(settings: Settings, live: IndexVersion) -> Disagreement | None:
    """What the settings say otherwise than the live index, if anything. Loads no model.

    Raises:
        Misuse, Damaged: the model of the settings cannot be found.
    """
    name, digest = _embedder(settings)
    if live.embedder_digest not in ("", digest):
        made = f"the live index {live.number} was made by {live.embedder}"
        if live.embedding is not None:
            return Disagreement(f"{made}, which it names itself; the settings name {name}", answers=True)
        return Disagreement(
            f"{made}, and the settings name {name}: nothing is answered or ingested. Set "
            "RINGFENCE_EMBEDDING__MODEL back; `ringfence index build --model` makes an index of another embedder",
            answers=False,
        )
    if live.chunk_tokens not in (None, settings.ingestion.chunk_tokens):
        return Disagreement(
            f"the live index {live.number} is cut into {live.chunk_tokens} tokens, the settings say "
            f"{settings.ingestion.chunk_tokens}: `ringfence index build` makes one that is",
            answers=True,
        )
    return None


def _embedder(settings: Settings) -> tuple[str, str]:
    """Name and digest of the embedder that the settings name."""
    _, manifest = locate(settings.embedding)
    if settings.embedding.precision == "float32":
        return manifest.name, manifest.digest
    # What quantises loads the libraries of the model, for which the other commands need not wait.
    from rag.embedding.quantised import SCHEME  # noqa: PLC0415 - see above

    return f"{manifest.name} in {settings.embedding.precision}", digest_of([SCHEME, manifest.digest]).hex()


async def _listed(settings: Settings, tenant: str) -> tuple[list[dict[str, Any]], str | None]:
    async with opened_database(settings) as database, database.reading() as session:
        indexes = IndexVersions(session, tenant)
        rows, chunks, live = await indexes.rows(), await indexes.chunks(), await indexes.live()
        missing = {row.number: (await indexes.missing(row.number, 0))[0] for row in rows}
        contents = await shown_contents(session, tenant)
    models = TunedModels(settings.data_dir, tenant)
    listed = [{**_as_json(row, chunks, missing), "tuned_on": tuned_on(_card(row, models), contents)} for row in rows]
    if not listed:
        listed = [{**_as_json(_unrecorded(tenant), chunks, {}), "created_at": None, "tuned_on": None}]
    unlike = disagreement(settings, live)
    return listed, None if unlike is None else unlike.sentence


def _card(row: IndexVersionRow, models: TunedModels) -> Mapping[str, Any] | None:
    return models.card((row.embedding or {}).get("model", ""))


def tuned_on(card: Mapping[str, Any] | None, contents: Mapping[str, str]) -> dict[str, int] | None:
    """On how many documents the model of a card was trained, and how many of them are gone or changed since."""
    if card is None:
        return None
    trained = card["documents"]
    gone = sum(contents.get(one["document"]) != one["content_digest"] for one in trained)
    return {"documents": len(trained), "gone": gone}


def _unrecorded(tenant: str) -> IndexVersionRow:
    return IndexVersionRow(
        tenant=tenant, number=FIRST.number, state=FIRST.state, embedder="", embedder_digest="", dim=0, figures={}
    )


def _as_json(row: IndexVersionRow, chunks: Mapping[int, int], missing: Mapping[int, int]) -> dict[str, Any]:
    gone = row.state in (IndexState.DROPPING, IndexState.DROPPED)
    return {
        "number": row.number,
        "state": row.state.value,
        "embedder": row.embedder,
        "embedder_digest": row.embedder_digest,
        "dim": row.dim,
        "model": (row.embedding or {}).get("model"),
        "chunk_tokens": row.chunk_tokens,
        "chunks": chunks.get(row.number, 0),
        "missing": 0 if gone else missing.get(row.number, 0),
        "figures": row.figures,
        "created_at": row.created_at.isoformat(timespec="seconds") if row.created_at else None,
        "promoted_at": row.promoted_at.isoformat(timespec="seconds") if row.promoted_at else None,
    }


def _beside(figures: Mapping[str, Any], key: str) -> str:
    return f"{figures[key]:g} ({figures[f'live_{key}']:g})" if key in figures else ""
