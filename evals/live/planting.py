"""Planting as an operator would: people into the policy, keys, documents through the path of `ringfence ingest`, which
the running service makes visible.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from evals.company import StoredSection, sections_of
from evals.live.canaries import Canary, question_about, write
from evals.live.journal import Journal
from evals.live.places import Place
from ingestion.indexes import in_each
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.publishing import publish_documents
from ingestion.report import Change
from ingestion.sources.folder import FolderSource
from policies.store import PolicyStore
from policies.tenancy import within
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.errors import Unavailable
from rag.identity.store import ApiKeys
from rag.settings import Settings

AUTHOR = "leak-eval"
REASON = "ringfence eval leak: made-up people, removed at its end"
LIFETIME = timedelta(hours=6)
"""Of the keys: they end by themselves where nobody is left to remove them."""


@dataclass(frozen=True, slots=True)
class PlantedSection:
    """A part of a canary whose labels are the same throughout, as it stands in SQL.

    `asked` are words that stand in its text, each with the question that their sentence answers; `about` those of
    title, path and tags that stand there.
    """

    tenant: str
    stored: StoredSection
    asked: Mapping[str, str] = field(repr=False)
    about: tuple[str, ...] = field(repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        return (*self.asked, *self.about)

    @property
    def questions(self) -> tuple[str, ...]:
        """One for each word, those of its text first."""
        return (*self.asked.values(), *(question_about(word, at) for at, word in enumerate(self.about)))


async def give_rights(database: Database, journal: Journal, place: Place) -> Mapping[str, str]:
    """Bring the people into the policy and give everybody a key; bearers by subject."""
    now = datetime.now(UTC)
    bearers = {}
    with within(place.tenant):
        async with database.unit_of_work() as session:
            if not place.edit.empty:
                await PolicyStore(session).apply(place.tenant, place.edit, author=AUTHOR, reason=REASON)
            for subject in place.subjects:
                assistant = subject.startswith("assistant:")
                new = await ApiKeys(session).create(
                    tenant=place.tenant,
                    subject=subject,
                    now=now,
                    label=journal.label,
                    may_name_people=assistant,
                    expires_at=now + LIFETIME,
                )
                bearers[subject] = new.bearer
                body: AuditBody = {"key": new.key.id, "subject": subject, "names": assistant, "administrator": False}
                await AuditLog().append(session, place.tenant, "key_created", body)
    return bearers


async def plant(
    settings: Settings, parts: IngestionParts, journal: Journal, place: Place, canaries: Sequence[Canary]
) -> None:
    """Ingest the canaries and have them published.

    Raises:
        Unavailable: one of them was not taken in.
        IndexUnavailable, Conflict: they could not be made visible.
    """
    with tempfile.TemporaryDirectory(prefix="ringfence-leak-") as folder, within(place.tenant):
        write(canaries, Path(folder))
        source = FolderSource(Path(folder), journal.source)
        report = await in_each(parts, place.tenant, partial(ingest, source, place.tenant))
        await publish_documents(settings, parts.database, parts.embedder.dim, place.tenant)
    taken = report.counts[Change.NEW]
    if taken != len(canaries):
        refused = sorted({str(one.reason or one.change) for one in report.outcomes if one.change is not Change.NEW})
        raise Unavailable(f"Only {taken} of {len(canaries)} canaries could be ingested: {', '.join(refused)}.")


async def read_planted(
    database: Database, journal: Journal, place: Place, canaries: Sequence[Canary]
) -> tuple[PlantedSection, ...]:
    """What stands in SQL of the canaries. Words that were masked are no words of it."""
    by_folder = {one.folder: one for one in canaries}
    found: list[PlantedSection] = []
    with within(place.tenant):
        async with database.reading() as session:
            documents = Documents(session)
            for row in await documents.of_tenant(place.tenant):
                if row.source != journal.source or row.current_version is None:
                    continue
                canary = by_folder[row.path.partition("/")[0]]
                version = await documents.load_version(place.tenant, row.id, row.current_version)
                chunks = await documents.chunks_of(place.tenant, row.current_version)
                if version is None:
                    continue
                for section in sections_of(f"canary-{canary.number}", row, version.text, chunks):
                    text = " ".join(version.text[span.start : span.end] for span in section.spans)
                    about = tuple(word for word in (canary.title, canary.path, canary.tag) if _stands(word, row))
                    asked = {word: question_about(word, at) for at, word in enumerate(canary.text) if word in text}
                    name = f"{place.tenant}:{section.name}"
                    exact = section.fingerprint.exact | {*asked, *about}
                    named = replace(section, fingerprint=replace(section.fingerprint, name=name, exact=exact))
                    found.append(PlantedSection(place.tenant, named, asked, about))
    # One of which every word was masked cannot be asked for.
    return tuple(one for one in found if one.asked)


def _stands(word: str, row: object) -> bool:
    return any(word in str(getattr(row, column)) for column in ("title", "path", "tags"))


async def read_all(database: Database, tenant: str) -> tuple[StoredSection, ...]:
    """Every section of an existing tenant: nothing of its own documents may reach the made-up people either."""
    found: list[StoredSection] = []
    with within(tenant):
        async with database.reading() as session:
            documents = Documents(session)
            for row in await documents.of_tenant(tenant):
                if row.current_version is None:
                    continue
                version = await documents.load_version(tenant, row.id, row.current_version)
                chunks = await documents.chunks_of(tenant, row.current_version)
                if version is not None:
                    found += sections_of(f"{tenant}:{row.id}", row, version.text, chunks)
    return tuple(found)
