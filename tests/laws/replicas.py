"""Two replicas of the service in one process: each with its own connections, snapshots and index, on one database.

Rules change through `PolicyStore`, documents through `DocumentStore` and `publish`, questions take the real path of
retrieval. Only the embedder is a stand-in: small and exact, so that thousands of questions can be asked.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ingestion.bulk import BulkChanges, NewLabels
from ingestion.chunk import Draft
from ingestion.store import DocumentStore, Embedded, Reading
from policies.rules import Attributes, Level, RoleLink, Rule, Tightening
from policies.store import Edit, PolicyStore, SnapshotCache
from rag.audit.log import AuditLog
from rag.db.documents import Documents
from rag.db.engine import Database, open_database
from rag.domain import Principal, ReadableChunk, Span, content_id, digest_of
from rag.generation.extractive import ExtractiveGenerator
from rag.index.lexical import LexicalEncoder
from rag.index.publish import publish
from rag.index.store import VectorStore
from rag.index.stores import IndexStores, open_stores
from rag.privacy.keys import MasterKey
from rag.privacy.recognize import load_recognizer
from rag.privacy.tenant import Privacy
from rag.query.parts import QueryParts, TenantStores
from rag.query.retrieve import search
from rag.query.similarity import EmbedderSimilarity
from rag.settings import PrivacySettings, Settings
from tests.ingestion.stand_ins import CountingEmbedder

TENANT = "acme"
QUESTION = "which plans are there"
LIMIT = 200
"""More chunks than a tenant ever has here: an answer is everything that may be read."""


@dataclass(frozen=True)
class Visible:
    """A chunk of a visible version as SQL has it, read without the product's code."""

    document: str
    attributes: Attributes
    attribute_version: int


@dataclass
class Replica:
    """`carried`: which chunks its index holds, each with the attribute version of its payload there."""

    parts: QueryParts
    stores: IndexStores
    carried: dict[str, int] = field(default_factory=dict)

    async def ask(self, principal: Principal, stores: TenantStores | None = None) -> tuple[ReadableChunk, ...]:
        parts = self.parts if stores is None else replace(self.parts, stores=stores)
        return await search(QUESTION, principal, parts, LIMIT)

    def alarms(self) -> float:
        return float(self.parts.metrics.dropped_by_check._value.get())


class Unsynced:
    """A store as `publish` uses it, without waiting for the disk: nothing here has to survive a power cut."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def flush(self) -> None:
        return None


class House:
    """The database, both replicas, and what works on them. Every call commits before it returns."""

    def __init__(self, folder: Path, databases: Sequence[Database]) -> None:
        self._writing, *reading = databases
        self._embedder = CountingEmbedder()
        self._lexical = LexicalEncoder()
        self._privacy = Privacy(MasterKey.of(b"\x07" * 32, "test"), load_recognizer(PrivacySettings()))
        self._raw = sqlite3.connect(folder / "ringfence.db", isolation_level=None)
        self._raw.row_factory = sqlite3.Row
        self._versions = 0
        self.replicas = tuple(
            self._replica(Settings(data_dir=folder / f"replica{number}"), database)
            for number, database in enumerate(reading)
        )

    @classmethod
    async def build(cls, folder: Path) -> "House":
        url = f"sqlite+aiosqlite:///{folder / 'ringfence.db'}"
        house = cls(folder, [await open_database(url) for _ in range(3)])
        async with house._writing.unit_of_work() as session:
            await house._privacy.for_tenant(session, TENANT)
        return house

    async def close(self) -> None:
        self._raw.close()
        for replica in self.replicas:
            await replica.stores.close()
            await replica.parts.database.close()
        await self._writing.close()

    def _replica(self, settings: Settings, database: Database) -> Replica:
        stores = open_stores(settings, self._embedder.dim, self._embedder.digest)
        generator = ExtractiveGenerator(EmbedderSimilarity(self._embedder), settings.generator.answer_threshold)
        parts = QueryParts(
            database=database,
            snapshots=SnapshotCache(),
            privacy=self._privacy,
            embedder=self._embedder,
            lexical=self._lexical,
            stores=stores,
            generator=generator,
            audit=AuditLog(),
            settings=settings,
        )
        return Replica(parts, stores)

    async def clear(self, rules: Sequence[Rule], links: Sequence[RoleLink]) -> None:
        """Remove these lines, which are all there are, and every document. Snapshots stay as the replicas have them."""
        if rules or links:
            await self.edit(remove_rules=tuple(rules), remove_links=tuple(links))
        for document in sorted(self._documents("SELECT id AS document FROM document WHERE tenant = ?")):
            await self.delete(document)
        for replica in self.replicas:
            await self._lose(replica)

    async def edit(self, **lines: tuple[Any, ...]) -> None:
        async with self._writing.unit_of_work() as session:
            await PolicyStore(session).apply(TENANT, Edit(**lines), author="user:test", reason="test")

    async def ingest(self, attributes: Attributes, stricter: Sequence[Tightening]) -> None:
        """A new version of the document, staged: one paragraph as strict as the document, and these."""
        self._versions += 1
        paragraphs = [f"Plans of {attributes.document}, part {n}." for n in range(len(stricter) + 1)]
        text = "\n".join(paragraphs)
        content = digest_of([TENANT, attributes.document, str(self._versions)])
        reading = Reading("Plans", attributes.document, "text/plain", text, (), content.hex(), "0" * 64)
        version = content_id("ver", content)
        chunks: list[Embedded] = []
        start = 0
        for paragraph, tightening in zip(paragraphs, (Tightening(), *stricter), strict=True):
            draft = Draft(Span(start, start + len(paragraph)), None, "", tightening, paragraph)
            chunk = content_id("chk", digest_of([version, str(len(chunks))]))
            vector = self._embedder.embed_query(f"{version} {paragraph}")
            chunks.append(Embedded(chunk, draft, vector, self._lexical.encode_passage(paragraph)))
            start += len(paragraph) + 1
        async with self._writing.unit_of_work() as session:
            store = DocumentStore(session, TENANT, "test")
            await store.stage(attributes.document, attributes.document, attributes, reading)
            await store.add_version(attributes.document, version, reading, chunks)

    async def relabel(self, attributes: Attributes) -> None:
        async with self._writing.unit_of_work() as session:
            newest = await DocumentStore(session, TENANT, "test").newest_version(attributes.document)
            assert newest is not None
            new = NewLabels(attributes.document, attributes, newest.content_digest, newest.pipeline_digest)
            await BulkChanges(session, TENANT, "test").relabel([new])

    async def delete(self, document: str) -> None:
        async with self._writing.unit_of_work() as session:
            row = await Documents(session).find(TENANT, document)
            assert row is not None
            await BulkChanges(session, TENANT, "test").remove([row.path_digest])

    async def publish(self, replica: Replica) -> None:
        """What waits is written to this replica's index; the other one does not hear of it."""
        staged = self._documents("SELECT document FROM document_version WHERE tenant = ? AND state = 'staged'")
        outdated = self._documents(
            "SELECT id AS document FROM document WHERE tenant = ? AND indexed_attribute_version < attribute_version"
        )
        store: Any = Unsynced(await replica.stores.get(TENANT))
        published = await publish(replica.parts.database, store, TENANT)
        for chunk, found in self.visible().items():
            relabelled = found.document in outdated and chunk in replica.carried
            if published.restored or found.document in staged or relabelled:
                replica.carried[chunk] = found.attribute_version

    async def rebuild(self, replica: Replica) -> None:
        """The replica's index was lost, and is made again from the database."""
        await self._lose(replica)
        await self.publish(replica)

    async def _lose(self, replica: Replica) -> None:
        store = await replica.stores.get(TENANT)
        await store.delete(list(replica.carried))
        replica.carried.clear()

    def visible(self) -> Mapping[str, Visible]:
        """Every chunk that somebody could be allowed to read at this moment."""
        found = self._rows(
            "SELECT chunk.id AS chunk, chunk.level_at_least, chunk.more_compartments, chunk.more_denied_shares, "
            "document.* FROM chunk JOIN document ON document.current_version = chunk.version "
            "WHERE document.tenant = ? AND chunk.tenant = document.tenant"
        )
        return {row["chunk"]: Visible(row["id"], _attributes(row), row["attribute_version"]) for row in found}

    def _documents(self, statement: str) -> Collection[str]:
        return {row["document"] for row in self._rows(statement)}

    def _rows(self, statement: str) -> list[sqlite3.Row]:
        return self._raw.execute(statement, (TENANT,)).fetchall()


def _attributes(row: sqlite3.Row) -> Attributes:
    """The paragraph's attributes: the stricter of its own and its document's in every column."""

    def both(ours: str, more: str) -> frozenset[str]:
        return frozenset([*json.loads(row[ours]), *json.loads(row[more])])

    return Attributes(
        tenant=row["tenant"],
        document=row["id"],
        department=row["department"],
        level=Level(max(row["level"], row["level_at_least"])),
        tags=frozenset(json.loads(row["tags"])),
        owner=row["owner"],
        shares=frozenset(json.loads(row["shares"])),
        denied_shares=both("denied_shares", "more_denied_shares"),
        compartments=both("compartments", "more_compartments"),
    )
