"""The sealed originals that go with documents: what nothing else refers to is found while others write, and destroyed
in the transaction that removes the documents, which looks only at what was written since.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.statements import batches
from rag.db.tables import ChunkRow, DocumentRow, QuarantinedRow, VersionRow
from rag.privacy.faces import offline_domains
from rag.privacy.keys import KeySource, existing_tenant_keys
from rag.privacy.unmask import tokens_in
from rag.privacy.unused import Survey, UnusedValues

_FETCH = 8
"""Texts in memory at once: one may have millions of characters."""


@dataclass(frozen=True, slots=True)
class Going:
    """Tokens that stand in the documents, and what of them stood nowhere else; `survey` is None without tokens."""

    tokens: frozenset[str] = field(repr=False)
    survey: Survey | None

    @property
    def number(self) -> int:
        """Originals that are to be destroyed."""
        return 0 if self.survey is None else len(self.survey.unused)


async def survey(session: AsyncSession, tenant: str, documents: Collection[str], source: KeySource) -> Going:
    """Reads all texts, so in a session that sees one moment and holds up nobody.

    Raises:
        Damaged, Unavailable: the source of keys has not the tenant's, or does not answer.
    """
    tokens = await tokens_of(session, documents)
    if not tokens:
        return Going(tokens, None)
    values = await _values(session, tenant, source)
    return Going(tokens, await values.survey_of(session, tokens, documents))


async def destroy(
    session: AsyncSession, tenant: str, going: Going, tokens: frozenset[str], source: KeySource
) -> dict[str, bytes]:
    """What was sealed of the tokens that nothing refers to now, by token. The documents are gone, and `tokens` are
    those that stood in them at the end; the caller holds the vault alone. Raises as `survey`."""
    sealed: dict[str, bytes] = {}
    if going.survey is not None:
        sealed |= await (await _values(session, tenant, source)).destroy_surveyed(session, going.survey)
    # A run has changed one of them since: rare enough to read all texts once more, with everybody waiting.
    if later := tokens - going.tokens:
        sealed |= await (await _values(session, tenant, source)).destroy(session, later)
    return sealed


async def tokens_of(session: AsyncSession, documents: Collection[str]) -> frozenset[str]:
    """The tokens that stand in the documents, whatever their versions."""
    found: set[str] = set()
    for some in batches(sorted(documents)):
        versions = select(VersionRow.id).where(VersionRow.document.in_(some))
        for statement in (
            select(DocumentRow.title + "\n" + DocumentRow.path).where(DocumentRow.id.in_(some)),
            select(VersionRow.text).where(VersionRow.document.in_(some)),
            select(ChunkRow.heading).where(ChunkRow.document.in_(some)),
            select(QuarantinedRow.title).where(QuarantinedRow.version.in_(versions)),
        ):
            texts = await session.stream_scalars(statement.execution_options(yield_per=_FETCH))
            found.update([token.text async for text in texts for token in tokens_in(text)])
    return frozenset(found)


async def _values(session: AsyncSession, tenant: str, source: KeySource) -> UnusedValues:
    # With the keys of this moment: names that do not open could not keep their words.
    return UnusedValues(tenant, await existing_tenant_keys(session, tenant, source), offline_domains())
