"""Making a tuned model of a tenant: read, train, measure beside what made the live index, write the card, record it.

Run again with the same documents and options, it finds the model that stands already and measures it anew.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.db.engine import Database
from rag.db.index_table import IndexState
from rag.db.index_versions import IndexVersions
from rag.domain import digest_of
from rag.embedding.locate import locate
from rag.embedding.minilm import load_embedder
from rag.embedding.others import chosen
from rag.embedding.protocol import Embedder
from rag.embedding.training import Progress, Recipe, train
from rag.embedding.tuned import TunedModel, TunedModels
from rag.errors import Conflict
from rag.privacy.tenant import Privacy
from rag.query.tuning.card import earlier, record
from rag.query.tuning.gate import Gate, gates_of
from rag.query.tuning.measure import measure
from rag.query.tuning.pairs import Question
from rag.query.tuning.preparing import Limits, Prepared, prepare
from rag.settings import EmbeddingSettings, Settings


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made. `gain` is how much better held-out questions have to be answered; `builds`: an index of the
    model is to be built after it, for which there must be room."""

    limits: Limits
    recipe: Recipe
    gain: float = 0.0
    builds: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """A tuned model, what it was measured by, and what its index is to be compared by."""

    model: TunedModel
    precision: str
    card: Mapping[str, Any]
    gates: tuple[Gate, ...]
    questions: tuple[Question, ...] = field(repr=False)
    cases: tuple[Question, ...] = field(repr=False)


async def make(
    settings: Settings,
    database: Database,
    privacy: Privacy,
    tenant: str,
    order: Order,
    *,
    author: str,
    say: Callable[[str], None],
    tell: Progress,
) -> Made:
    """Make the model and measure it. Nothing of the tenant's indexes is changed.

    Raises:
        Conflict: another process tunes; another index stands beside the live one (`index_kept`); or the settings do
            not load what made the live index (`embedder_mismatch`).
        Misuse, Damaged: as `prepare`; or the model of the settings is not there, or not what it must be.
    """
    models = TunedModels(settings.data_dir, tenant)
    with models.alone():
        live, before = await _live(settings, database, tenant)
        say("Reading the documents that readers see ...")
        prepared = await prepare(database, privacy, tenant, before, order.limits, order.recipe.batch)
        folder, base = locate(settings.embedding)
        base.verify(folder)
        name = _name(base.digest, prepared.data_digest, order.recipe)
        if order.builds:
            await _refuse_other_beside(database, tenant, models.folder / name)
        model, made_with = models.find(name), None
        if model is None:
            say(f"Training on {len(prepared.pairs)} pairs of {len(prepared.trained)} documents ...")
            with models.making(name, f"{base.name} {name}") as unfinished:
                made_with = await _trained(folder, prepared, order.recipe, unfinished, tell)
            model = models.find(name)
        if model is None:
            raise Conflict(f"The model {name} was removed while it was made. Run the command again.")
        say("Measuring on what was held out ...")
        named = {"model": str(model.folder), "sha256": model.sha256, "precision": live.precision}
        after = await asyncio.to_thread(load_embedder, chosen(settings.embedding, named))
        figures = await asyncio.to_thread(_figures, before, after, prepared)
        card = {
            "model": name,
            "tenant": tenant,
            "sha256": model.sha256,
            "embedder_digest": after.digest,
            "base": {"name": base.name, "digest": base.digest},
            "beside": {"name": before.name, "digest": before.digest},
            "recipe": order.recipe.as_json(),
            "level_max": order.limits.level_max.name.lower(),
            "made_with": made_with or earlier(models, model),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "figures": figures,
            **prepared.as_json(),
        }
        sha256 = models.keep_card(name, card)
        await record(database, tenant, card, sha256, author)
    return Made(model, live.precision, card, gates_of(figures, order.gain), prepared.questions, prepared.cases)


async def _live(settings: Settings, database: Database, tenant: str) -> tuple[EmbeddingSettings, Embedder]:
    """What made the live index, and what loads it."""
    async with database.reading() as session:
        index = await IndexVersions(session, tenant).live()
    named = settings.embedding if index.embedding is None else chosen(settings.embedding, index.embedding)
    embedder = await asyncio.to_thread(load_embedder, named)
    if index.embedder_digest not in ("", embedder.digest):
        raise Conflict(
            f"The live index of tenant {tenant!r} was made by the embedder {index.embedder}, and the settings load "
            f"{embedder.name}: nothing can be measured beside it. `ringfence index list` tells the way out.",
            code="embedder_mismatch",
        )
    return named, embedder


async def _refuse_other_beside(database: Database, tenant: str, model: Path) -> None:
    """Before the time for training is spent. What an earlier run began with the same model, `index build` goes on
    with."""
    async with database.reading() as session:
        beside = await IndexVersions(session, tenant).beside()
    if beside is None:
        return
    begun = beside.state in (IndexState.BUILDING, IndexState.READY)
    if not begun or (beside.embedding or {}).get("model") != str(model):
        raise Conflict(
            f"Index {beside.number}, of another model, stands beside the live one already: `ringfence index drop "
            f"{beside.number}` makes room.",
            code="index_kept",
        )


async def _trained(
    base: Path, prepared: Prepared, recipe: Recipe, unfinished: Path, tell: Progress
) -> Mapping[str, Any]:
    """Train in a thread, which ends with its step when this is cancelled. What it was done with, and how long."""
    left = threading.Event()

    def told(done: int, total: int) -> None:
        if left.is_set():
            raise InterruptedError
        tell(done, total)

    started = time.monotonic()
    texts = [(pair.question, pair.passage) for pair in prepared.pairs]
    try:
        made_with = await asyncio.to_thread(train, base, texts, recipe, unfinished, told)
    finally:
        left.set()
    return {**made_with, "seconds": round(time.monotonic() - started, 1)}


def _name(base: str, data: str, recipe: Recipe) -> str:
    return f"tuned-{digest_of([base, data, json.dumps(recipe.as_json(), sort_keys=True)]).hex()[:12]}"


def _figures(before: Embedder, after: Embedder, prepared: Prepared) -> dict[str, dict[str, dict[str, float]]]:
    asked = prepared.questions, prepared.cases
    both = zip(measure(before, prepared.entries, *asked), measure(after, prepared.entries, *asked), strict=True)
    return {
        name: {"before": old, "after": new}
        for name, (old, new) in zip(("held_out", "feedback"), both, strict=True)
        if old
    }
