"""`ringfence index models` and `index forget`: the models that a tenant has of her own, and how one goes."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from policies.terminal import folding
from rag.api.commands.index_listing import tuned_on
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
)
from rag.api.commands.privacy_upkeep import operator
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.index_versions import IndexVersion, IndexVersions
from rag.db.trainable import shown_contents
from rag.embedding.tuned import TunedModel, TunedModels
from rag.errors import Conflict, Misuse, NotFound, Unavailable
from rag.settings import Settings

_MEGABYTE = 1_000_000


def models(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """The models that were tuned on the tenant's documents, what they were trained on, and which index stands on each.

    Weights may hold what they were trained on, also where a document is gone since.
    """
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    listed = asyncio.run(_listed(settings, name))
    if as_json:
        print_json({"tenant": name, "models": listed})
        return
    table = folding("model", "made", "documents", "gone or changed", "MB", "index")
    for one in listed:
        trained = one["tuned_on"] or {"documents": "no card", "gone": ""}
        table.add_row(
            one["name"], one["at"] or "", str(trained["documents"]), str(trained["gone"]), f"{one['megabytes']:g}",
            ", ".join(map(str, one["indexes"])),
        )  # fmt: skip
    out().print(table)


def forget(
    model: Annotated[str, typer.Argument(help="Its name, as `index models` shows it.")],
    tenant: Tenant,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; nobody can undo it.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove a tuned model, its weights and its card. Refused while an index stands on it: drop that one first."""
    if not yes:
        raise Misuse("Nothing was removed: say --yes to remove the model for ever.")
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    asyncio.run(_forget(settings, name, model))
    if as_json:
        print_json({"tenant": name, "model": model, "removed": True})
    else:
        out().print(f"{model} was removed. Copies of it in backups are the operator's.", markup=False)


async def _listed(settings: Settings, tenant: str) -> list[dict[str, Any]]:
    tuned = TunedModels(settings.data_dir, tenant)
    async with opened_database(settings) as database, database.reading() as session:
        indexes = await IndexVersions(session, tenant).standing()
        contents = await shown_contents(session, tenant)
    return [_as_json(tuned, name, indexes, contents) for name in tuned.names()]


def _as_json(
    tuned: TunedModels, name: str, indexes: Sequence[IndexVersion], contents: Mapping[str, str]
) -> dict[str, Any]:
    folder = tuned.folder / name
    card, found = tuned.card(str(folder)), tuned.find(name)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "name": name,
        "path": str(folder),
        "sha256": None if found is None else found.sha256,
        "at": None if card is None else card["at"],
        "tuned_on": tuned_on(card, contents),
        "megabytes": round(size / _MEGABYTE, 1),
        "indexes": _standing_on(folder, found, indexes),
    }


def _standing_on(folder: Path, model: TunedModel | None, indexes: Sequence[IndexVersion]) -> list[int]:
    """The indexes that questions are or may be answered by through the model: by its place, however an index spells
    that, or by its digest."""
    named = [(index.number, index.embedding) for index in indexes if index.embedding is not None]
    return [
        number
        for number, embedding in named
        if Path(str(embedding.get("model"))).resolve() == folder
        or (model is not None and embedding.get("sha256") == model.sha256)
    ]


async def _forget(settings: Settings, tenant: str, model: str) -> None:
    """The record comes first, so that nothing goes unrecorded; if the command ends between, it is run again."""
    tuned = TunedModels(settings.data_dir, tenant)
    with tuned.alone():
        if model not in tuned.names():
            raise NotFound(f"Tenant {tenant!r} has no tuned model {model!r}. `ringfence index models` shows all.")
        found = tuned.find(model)
        async with opened_database(settings) as database, database.unit_of_work() as session:
            indexes = await IndexVersions(session, tenant).standing()
            standing = _standing_on(tuned.folder / model, found, indexes)
            if standing:
                raise Conflict(
                    f"Index {standing[0]} of tenant {tenant!r} stands on {model}: make another one the live one "
                    "(`ringfence index rollback`), and `ringfence index drop` it first.",
                    code="model_in_use",
                )
            body: AuditBody = {"subject": operator(), "name": model, "model": None if found is None else found.sha256}
            await AuditLog().append(session, tenant, "model_forgotten", body)
        tuned.discard(model)
    if model in tuned.names():
        raise Unavailable(
            f"Not all of {tuned.folder / model} could be removed: look at its permissions, and run it again."
        )
