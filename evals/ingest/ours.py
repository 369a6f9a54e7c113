"""Our way: `ringfence ingest` itself, from the folder to the published index, with one profile of masking."""

import asyncio
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from evals.ingest.corpus import Corpus
from evals.ingest.way import DEPTH, Judged, Round
from evals.retrieval.run import TENANT, everything_public
from ingestion.digests import document_id
from ingestion.parse.confine import Limits
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.publishing import publish_documents
from ingestion.report import Report, Step
from ingestion.sources.folder import FolderSource
from rag.db.engine import Database, open_database
from rag.db.tables import ChunkRow, VersionRow
from rag.embedding.minilm import load_embedder
from rag.embedding.protocol import Embedder
from rag.index.lexical import LexicalEncoder
from rag.index.store import Query
from rag.index.stores import open_stores
from rag.privacy.recognize import load_recognizer
from rag.privacy.tenant import open_privacy
from rag.query.rerank import fuse
from rag.settings import PrivacySettings, Settings, load_settings

SOURCE = "eval"
CANDIDATES = 100
_STAGES = {Step.PARSED: "read", Step.MASKED: "mask", Step.EMBEDDED: "embed", Step.FINISHED: "write"}


class StageClock:
    """An observer that adds up how long documents were in each stage. `embed` is cutting as well, `read` parsing.

    A document that waits while others are worked on counts as well, so it is for one at a time.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._since: dict[str, float] = {}

    def __call__(self, step: Step, path: str, done: int, total: int) -> None:
        now = time.perf_counter()
        if step in _STAGES:
            self.seconds[_STAGES[step]] += now - self._since[path]
        if step is not Step.WRITING:
            self._since[path] = now


class Remembering:
    """An embedder that remembers the passages that it was given: what is embedded is stored nowhere."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.passages: list[str] = []
        self.name = embedder.name
        self.digest = embedder.digest
        self.dim = embedder.dim
        self.tokens_max = embedder.tokens_max

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.passages += texts
        return self._embedder.embed_passages(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)


class OurWay:
    """See the module. `profile` is one of `RINGFENCE_PRIVACY__PROFILE`."""

    def __init__(self, profile: str, threads: int) -> None:
        self._privacy_settings = PrivacySettings.model_validate({"profile": profile})
        self._recognizer = load_recognizer(self._privacy_settings)
        embedding = load_settings().embedding
        self._embedder = load_embedder(embedding.model_copy(update={"threads": threads}))
        self._embedder.embed_passages(["Ann Lee wrote this. " * 20])
        self._recognizer.find(["Ann Lee wrote this."])
        self._settings = load_settings()
        self._passages: list[str] = []

    def run(self, folder: Path, scratch: Path) -> Round:
        scratch.mkdir(parents=True)
        self.use(scratch)
        clock = StageClock()
        wall, cpu = time.perf_counter(), _cpu_s()
        with self.parser(self._settings) as sandbox:
            report, chunks, published = asyncio.run(self._ingest(folder, sandbox, clock))
        stages = {**clock.seconds, "publish": published}
        return Round(time.perf_counter() - wall, _cpu_s() - cpu, len(report.outcomes), chunks, stages)

    def use(self, data_dir: Path) -> Settings:
        """From now on this data folder; the settings for it."""
        settings = load_settings(data_dir=data_dir, privacy=self._privacy_settings)
        one = settings.ingestion.model_copy(update={"in_flight": 1})
        self._settings = settings.model_copy(update={"ingestion": one})
        return self._settings

    @contextmanager
    def parser(self, settings: Settings) -> Iterator[Sandbox]:
        """Its processes are started already: that is not what is measured."""
        ours = settings.ingestion
        limits = Limits(ours.parse_wall_s, ours.parse_cpu_s, ours.parse_memory_bytes, ours.text_chars_max)
        with Sandbox(limits) as sandbox:
            sandbox.parse(b"Hello.", "hello.txt")
            yield sandbox

    async def _ingest(self, folder: Path, sandbox: Sandbox, clock: StageClock) -> tuple[Report, int, float]:
        database = await open_database(self._settings.database_url)
        try:
            remembering = Remembering(self._embedder)
            parts = replace(self.parts(database, sandbox), embedder=remembering)
            report = await ingest(FolderSource(folder, SOURCE), TENANT, parts, observe=clock)
            started = time.perf_counter()
            await publish_documents(self._settings, database, parts.embedder.dim, TENANT)
            self._passages = remembering.passages
            return report, sum(one.chunks for one in report.outcomes), time.perf_counter() - started
        finally:
            await database.close()

    def parts(self, database: Database, sandbox: Sandbox) -> IngestionParts:
        """What the path of a document needs, on the settings of the last round."""
        return IngestionParts(
            database=database,
            privacy=open_privacy(self._settings, self._recognizer),
            masking_digest=self._recognizer.digest,
            parser=sandbox,
            embedder=self._embedder,
            lexical=LexicalEncoder(),
            settings=self._settings.ingestion,
        )

    def judge(self, corpus: Corpus) -> Judged:
        return asyncio.run(self._judge(corpus))

    async def _judge(self, corpus: Corpus) -> Judged:
        database = await open_database(self._settings.database_url)
        stores = open_stores(self._settings, self._embedder.dim)
        lexical, conditions = LexicalEncoder(), everything_public()
        try:
            async with database.reading() as session:
                privacy = await open_privacy(self._settings, self._recognizer).for_tenant(session, TENANT)
                texts = dict((await session.execute(select(VersionRow.document, VersionRow.text))).tuples().all())
                owners = dict((await session.execute(select(ChunkRow.id, ChunkRow.document))).tuples().all())
            paths = {document_id(privacy, SOURCE, one.path): one.path for one in corpus.documents}
            store = await stores.get(TENANT)
            found = []
            for question in corpus.questions:
                face = privacy.mask_question(question.text).index_face()
                query = Query(self._embedder.embed_query(face), lexical.encode_query(face))
                ranked = fuse(await store.search(conditions, query, limit=CANDIDATES))
                found.append(list(dict.fromkeys(paths[owners[chunk]] for chunk in ranked))[:DEPTH])
        finally:
            await stores.close()
            await database.close()
        tokens = sum(map(self._embedder.count_tokens, self._passages))
        return Judged(found, {paths[document]: text for document, text in texts.items()}, _peak_mb(), tokens)


def _cpu_s() -> float:
    """Of this process and of those that it started and that have ended."""
    usages = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    """Of this process and of its largest parser process together: they are there at once."""
    usages = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_maxrss for usage in usages) / 1024
