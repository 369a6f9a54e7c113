"""The sample company in a data folder: brought there by the real commands, opened with the real parts."""

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from evals.leak.fingerprints import Section, shingles
from evals.oracle import Labels
from evals.questions import DOCUMENTS, POLICY, TENANT, document_paths, file_mark, source_text
from evals.remembering import RememberingEmbedder
from evals.runner.program import PROGRAM
from policies.store import SnapshotCache
from rag.api.app import create_app
from rag.api.composition import QueryPath, person_known
from rag.api.desk import desk_on
from rag.api.parts import AppParts
from rag.audit.log import AuditLog
from rag.db.documents import Documents
from rag.db.engine import Database, open_database
from rag.db.folder import DataFolder
from rag.db.tables import ChunkRow, DocumentRow
from rag.domain import Span
from rag.embedding.minilm import load_embedder
from rag.embedding.protocol import Embedder
from rag.errors import Misuse, Unavailable
from rag.generation.extractive import ExtractiveGenerator
from rag.identity.authenticate import IdentityParts
from rag.index.lexical import LexicalEncoder
from rag.index.stores import open_stores
from rag.privacy.tenant import open_privacy
from rag.query.parts import QueryParts
from rag.query.similarity import EmbedderSimilarity
from rag.settings import Settings, load_settings

_COMMAND_S = 900
_UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StoredSection:
    """Chunks of a document version that share their effective labels. `path` is the path in the sample company."""

    path: str
    document: str
    version: str
    labels: Labels
    spans: tuple[Span, ...]
    fingerprint: Section

    @property
    def name(self) -> str:
        return self.fingerprint.name


def prepare(data_dir: Path, talk: Callable[[str], None]) -> None:
    """Load the policy and ingest the documents into `data_dir`; unchanged ones cost nothing.

    Raises:
        Unavailable: a command failed; the message is the last line it printed.
    """
    for arguments in (
        ["policy", "load", str(POLICY), "--tenant", TENANT, "--reason", "sample company"],
        ["ingest", str(DOCUMENTS), "--tenant", TENANT],
    ):
        talk(f"ringfence {' '.join(arguments[:2])} ...")
        run_command(data_dir, arguments)


def run_command(
    data_dir: Path,
    arguments: Sequence[str],
    *,
    program: Sequence[str] = PROGRAM,
    expect: Collection[int] = (0,),
    timeout_s: float = _COMMAND_S,
) -> str:
    """What `ringfence ARGUMENTS` prints for the data folder, in a process of its own.

    Raises:
        Unavailable: it ended with another code than expected; the message is the last line it printed.
    """
    result = subprocess.run(
        [*program, *arguments],
        env={**os.environ, "RINGFENCE_DATA_DIR": str(data_dir)},
        capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip
    if result.returncode not in expect:
        last = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:]
        raise Unavailable(f"`ringfence {arguments[0]}` ended with {result.returncode}: {' '.join(last)}")
    return result.stdout


@asynccontextmanager
async def opened_for_questions(data_dir: Path, *, remember: bool = True) -> AsyncIterator[QueryParts]:
    """What the path of a question stands on, without the service around it: to measure its stages apart.

    With `remember`, a text is embedded once: the same answers much sooner, so not where time is what is measured.
    """
    settings = load_settings(data_dir=data_dir)
    folder = DataFolder(settings.data_dir)
    folder.own()
    database = await open_database(settings.database_url)
    loaded = load_embedder(settings.embedding)
    embedder: Embedder = RememberingEmbedder(loaded) if remember else loaded
    stores = open_stores(settings, embedder.dim, embedder.digest)
    similarity = EmbedderSimilarity(embedder)
    try:
        yield QueryParts(
            database=database,
            snapshots=SnapshotCache(),
            privacy=open_privacy(settings),
            embedder=embedder,
            lexical=LexicalEncoder(),
            stores=stores,
            generator=ExtractiveGenerator(similarity, settings.generator.answer_threshold),
            audit=AuditLog(),
            settings=settings,
        )
    finally:
        await stores.close()
        await database.close()
        folder.release()


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[AppParts]:
    """The parts of the application on `data_dir`, for the local operator, without a limit on requests."""
    async with opened_for_questions(data_dir) as query:
        key = DataFolder(data_dir).operator_key()

        async def publish(tenant: str) -> Mapping[str, int]:
            raise Misuse("An eval publishes nothing.", code="not_here")

        yield AppParts(
            settings=unlimited(query.settings),
            database=query.database,
            identity=IdentityParts(query.database, None, key, person_known(query.database, query.snapshots)),
            audit=AuditLog(),
            desk=desk_on(query.database, query.snapshots, AuditLog()),
            path=QueryPath(query),
            publish=publish,
            checks={},
            count_tokens=query.embedder.count_tokens,
            snapshots=query.snapshots,
        )


def unlimited(settings: Settings) -> Settings:
    """The settings with limits of requests that no eval reaches; nothing else differs."""
    service = settings.service.model_copy(update={"requests_per_minute": _UNLIMITED})
    at_once = {"answers_at_once": _UNLIMITED, "person_answers_at_once": _UNLIMITED}
    return settings.model_copy(update={"service": service, "limits": settings.limits.model_copy(update=at_once)})


def client_of(parts: AppParts) -> httpx.AsyncClient:
    """HTTP against the real application in this process, from a loopback address."""
    app = create_app(parts)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=120)


async def stored_sections(database: Database) -> tuple[StoredSection, ...]:
    """Every section of the tenant's visible versions, with labels and text read from SQL."""
    paths = {mark: path for path in document_paths() if (mark := file_mark(source_text(path)))}
    found: list[StoredSection] = []
    async with database.reading() as session:
        documents = Documents(session)
        for row in await documents.of_tenant(TENANT):
            if row.current_version is None:
                continue
            version = await documents.load_version(TENANT, row.id, row.current_version)
            chunks = await documents.chunks_of(TENANT, row.current_version)
            if version is not None and chunks:
                path = paths.get(file_mark(version.text) or "", row.path)
                found += sections_of(path, row, version.text, chunks)
    return tuple(found)


def sections_of(path: str, row: DocumentRow, text: str, chunks: list[ChunkRow]) -> list[StoredSection]:
    """The sections of one version, of which these are the text and all chunks."""
    groups: dict[Labels, list[ChunkRow]] = {}
    for chunk in chunks:
        groups.setdefault(_labels(row, chunk), []).append(chunk)
    return [_section(path, row, text, labels, own) for labels, own in groups.items()]


def _section(path: str, row: DocumentRow, text: str, labels: Labels, chunks: list[ChunkRow]) -> StoredSection:
    # Title and headings go out with the text: they give a document away as much as its sentences do.
    texts = [row.title, *(c.heading for c in chunks), *(text[chunk.start : chunk.end] for chunk in chunks)]
    mark = file_mark(" ".join(texts))
    exact = {row.id, *(chunk.id for chunk in chunks), *(chunk.version for chunk in chunks), *([mark] if mark else [])}
    runs = frozenset().union(*(shingles(one) for one in texts))
    return StoredSection(
        path=path,
        document=row.id,
        version=chunks[0].version,
        labels=labels,
        spans=tuple(Span(chunk.start, chunk.end) for chunk in chunks),
        fingerprint=Section(f"{path}#{labels.level}", runs, frozenset(exact)),
    )


def _labels(row: DocumentRow, chunk: ChunkRow) -> Labels:
    """The stored columns as they are; the stricter labels of a paragraph are joined to the document's."""
    return Labels(
        name=row.id,
        department=row.department,
        level=max(row.level, chunk.level_at_least),
        tags=tuple(sorted(row.tags)),
        owner=row.owner,
        shares=tuple(sorted(row.shares)),
        denied_shares=tuple(sorted({*row.denied_shares, *chunk.more_denied_shares})),
        compartments=tuple(sorted({*row.compartments, *chunk.more_compartments})),
    )


def headers(key: str, person: str, assistant: str | None = None) -> Mapping[str, str]:
    """The operator's headers for asking as `person`."""
    named = {"Authorization": f"Bearer {key}", "X-Ringfence-Tenant": TENANT, "X-Ringfence-Person": person}
    return named if assistant is None else {**named, "X-Ringfence-Assistant": assistant}
