"""`ringfence doctor`: every setting with its origin, and every part tried."""

import asyncio
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import httpx
import typer
from sqlalchemy import text

from policies.tenancy import every_tenant
from policies.terminal import folding
from rag.api.commands.finding import BAD, GOOD, LOOK, Finding
from rag.api.commands.index_check import check_indexes
from rag.api.commands.options import AsJson, DataDir, opened_database, out, print_json, settings_for
from rag.api.commands.signing_check import check_signing_key
from rag.api.probes import REACH_S, reach_index_server, reach_model_server, reach_page_service
from rag.db.folder import DataFolder, Owner
from rag.db.postgres import heeds_tenants
from rag.embedding.locate import locate
from rag.errors import RingfenceError
from rag.identity.issuers import open_issuers
from rag.identity.signing_keys import ProviderUnreachable
from rag.index.cluster import spread
from rag.issuer_settings import IdentitySettings, IssuerSettings
from rag.privacy.model import model_folder, verify
from rag.query.scorer import NO_MODEL, locate_scorer
from rag.settings import Settings, origins


def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show every setting with its origin and check every part. Exit code 1 if a part does not work."""
    settings = settings_for(data_dir)
    findings = list(_findings(settings))
    rows = origins(settings, data_dir=data_dir)
    healthy = all(found.state != BAD for found in findings)
    if as_json:
        named = [{"name": name, "value": value, "origin": origin} for name, value, origin in rows]
        print_json({"healthy": healthy, "settings": named, "checks": [asdict(found) for found in findings]})
    else:
        _print(rows, findings)
    if not healthy:
        raise typer.Exit(1)


def _findings(settings: Settings) -> Iterator[Finding]:
    folder, owner = settings.data_dir.resolve(), _owner(settings)
    yield _folder(folder, owner)
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("database", lambda: _database(settings)),
        ("master key", lambda: _master_key(settings)),
        ("signing key", lambda: check_signing_key(settings)),
        ("operator key", lambda: _private_file("operator key", folder / "operator.key")),
        ("embedding model", lambda: _embedding(settings)),
        ("language model", _language_model),
        ("index", lambda: _index(settings)),
        ("index versions", lambda: check_indexes(settings)),
        ("generator", lambda: _generator(settings)),
        ("support model", lambda: _support_model(settings)),
        *((("pages", lambda: _pages(settings)),) * (settings.ingestion.ocr == "docling")),
        ("service", lambda: _service(settings, owner)),
        *((f"issuer {issuer.name}", partial(_issuer, issuer)) for issuer in settings.identity.issuers),
    ]
    for name, check in checks:
        try:
            yield check()
        except RingfenceError as error:
            yield Finding(name, BAD, error.message)
        except (OSError, httpx.HTTPError) as error:
            yield Finding(name, BAD, type(error).__name__)


def _owner(settings: Settings) -> Owner | None:
    return DataFolder(settings.data_dir).owner() if settings.data_dir.exists() else None


def _folder(folder: Path, owner: Owner | None) -> Finding:
    if not folder.exists():
        return Finding("data folder", LOOK, f"{folder} does not exist yet; the first command makes it")
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return Finding("data folder", LOOK, f"{folder} can be read by other users of this machine: chmod 700 it")
    used = "in use by nobody" if owner is None else f"in use by process {owner.pid} {owner.url}".rstrip()
    return Finding("data folder", GOOD, f"{folder}, {used}")


def _database(settings: Settings) -> Finding:
    if settings.database.url is None and not (settings.data_dir / "ringfence.db").exists():
        return Finding("database", LOOK, "not made yet; `ringfence ingest` makes it")

    async def ask() -> tuple[str, int, bool]:
        async with opened_database(settings) as database, database.reading() as session:
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
            documents = await session.scalar(text("SELECT count(*) FROM document"))
            return str(revision), int(documents or 0), await heeds_tenants(session)

    with every_tenant():
        revision, documents, walled = asyncio.run(ask())
    state = f"schema at its newest revision {revision}, {documents} documents"
    if not walled:
        return Finding(
            "database",
            LOOK,
            f"{state}; Postgres does not keep tenants apart, for its user is a superuser or has BYPASSRLS: give "
            "RINGFENCE_DATABASE__URL a plain one that owns the database",
        )
    return Finding("database", GOOD, state)


def _master_key(settings: Settings) -> Finding:
    if settings.privacy.master_key is not None:
        return Finding("master key", GOOD, "from the environment or the settings file")
    return _private_file("master key", settings.privacy.master_key_file or settings.data_dir / "master.key")


def _private_file(name: str, path: Path) -> Finding:
    if not path.exists():
        return Finding(name, LOOK, f"{path} does not exist yet; it is made on first use")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(name, BAD, f"{path} has mode {mode:04o}: others can read it. chmod 600 it, and replace the key")
    return Finding(name, GOOD, f"{path}, mode {mode:04o}")


def _embedding(settings: Settings) -> Finding:
    folder, manifest = locate(settings.embedding)
    manifest.verify(folder)
    return Finding("embedding model", GOOD, f"{manifest.name}, every file as in its manifest {manifest.digest[:12]}")


def _language_model() -> Finding:
    digest = verify(model_folder())
    return Finding("language model", GOOD, f"en_core_web_sm, every file as in its manifest {digest[:12]}")


def _index(settings: Settings) -> Finding:
    if settings.index.kind == "server":
        asyncio.run(reach_index_server(settings.index))
        found = asyncio.run(spread(settings.index))
        state = f"Qdrant server {settings.index.url} is ready, {found.collections} collections"
        return Finding("index", LOOK if found.differences else GOOD, "; ".join((state, *found.differences)))
    path = settings.data_dir / "index"
    if not path.exists():
        return Finding("index", LOOK, "not made yet; `ringfence ingest` makes it")
    folders = [entry.name for entry in path.iterdir() if entry.is_dir()]
    # The second and later indexes of a tenant have their number behind her name.
    tenants = len({name.partition("-")[0] for name in folders})
    return Finding("index", GOOD, f"embedded, {tenants} tenants with {len(folders)} indexes in {path}")


def _generator(settings: Settings) -> Finding:
    generator = settings.generator
    if generator.kind == "openai":
        asyncio.run(reach_model_server(generator))
        return Finding("generator", GOOD, f"openai is in use: {generator.model} at {generator.base_url}")
    how = "a small model in process, which writes sentences of its own"
    if generator.kind == "extractive":
        how = "composes answers from cited sentences, verbatim; needs no model"
    return Finding("generator", GOOD, f"{generator.kind} is in use: {how}")


def _support_model(settings: Settings) -> Finding:
    if settings.generator.support_model == NO_MODEL:
        return Finding("support model", GOOD, "none: sentences are verified by rules alone")
    _, manifest = locate_scorer(settings.generator)
    held = f"{manifest.name}, every file as in its manifest {manifest.digest[:12]}"
    return Finding("support model", GOOD, f"{held}; rejects below {settings.generator.support_threshold}")


def _pages(settings: Settings) -> Finding:
    versions = asyncio.run(reach_page_service(settings.ingestion))
    return Finding("pages", GOOD, f"recognised by {versions} at {settings.ingestion.docling_url}, which is ready")


def _service(settings: Settings, owner: Owner | None) -> Finding:
    if owner is not None and owner.url:
        response = httpx.get(f"{owner.url}/readyz", timeout=REACH_S, trust_env=False)
        ready = response.status_code == httpx.codes.OK
        parts = ", ".join(f"{name} {'ok' if fine else 'FAILED'}" for name, fine in response.json()["parts"].items())
        return Finding("service", GOOD if ready else BAD, f"answers on {owner.url}: {parts}")
    host, port = settings.service.host, settings.service.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError:
        return Finding("service", LOOK, f"not running on this folder, and port {port} on {host} is taken")
    return Finding("service", GOOD, f"not running; port {port} on {host} is free")


def _issuer(settings: IssuerSettings) -> Finding:
    async def ask() -> int:
        async with AsyncExitStack() as opened:
            (issuer,) = open_issuers(IdentitySettings(issuers=(settings,)), opened)
            return len(await issuer.keys.fetch())

    try:
        found = asyncio.run(ask())
    except ProviderUnreachable as cause:
        return Finding(f"issuer {settings.name}", BAD, f"{settings.issuer} gives no keys ({cause})")
    return Finding(f"issuer {settings.name}", GOOD, f"{settings.issuer} gives {found} keys")


def _print(rows: list[tuple[str, str, str]], findings: list[Finding]) -> None:
    console = out()
    settings = folding("setting", "value", "origin", title="Settings")
    for row in rows:
        settings.add_row(*row)
    checks = folding("check", "state", "detail", title="Checks")
    for found in findings:
        checks.add_row(found.check, found.state, found.detail)
    console.print(settings)
    console.print(checks)
