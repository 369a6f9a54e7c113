"""What of a vault nothing refers to any more: values that stand in no document and are no part of a name that does.

A document that its source no longer has leaves such values behind. The words of a name have entries of their own, by
which a question about a surname is understood; they stand in no text, and go with the last name that has them.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import tldextract
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.occurrences import find_occurrences
from rag.db.tables import VaultRow, VersionRow
from rag.privacy.faces import FaceMaker
from rag.privacy.keys import TenantKeys
from rag.privacy.vault import Vault, hold

_PERSON = "<PERSON_"


@dataclass(frozen=True, slots=True)
class Survey:
    """What was unused in one consistent view, and all that this view had: tokens of the vault, ids of versions."""

    unused: frozenset[str]
    held: frozenset[str] = field(repr=False)
    versions: frozenset[str] = field(repr=False)


class UnusedValues:
    """Finds and destroys them in one tenant. Takes sessions; never commits."""

    def __init__(self, tenant: str, keys: TenantKeys, domains: tldextract.TLDExtract) -> None:
        self._tenant = tenant
        self._vault = Vault(tenant, keys.vault)
        self._faces = FaceMaker(keys.tokens, keys.words, domains)

    async def survey(self, session: AsyncSession) -> Survey:
        """What nothing refers to, by all texts and names: minutes for a large tenant, so in a session that reads.

        The session's statements must see one moment, as those of `Database.reading` do.
        """
        held = await self._tokens(session)
        versions = await self._versions(session)
        return Survey(frozenset(await self._unused(session, held)), held, versions)

    async def survey_of(self, session: AsyncSession, tokens: Collection[str], documents: Collection[str]) -> Survey:
        """What of these tokens, and of the words of the names among them, nothing but the documents refers to.

        Reads all texts: in such a session as `survey`.
        """
        held, going = await self._tokens(session), frozenset(documents)
        asked = held.intersection(await self._words_of(session, frozenset(tokens)) | frozenset(tokens))
        stand = await find_occurrences(session, self._tenant, asked)
        alone = {token for token in asked if going.issuperset(stand.documents.get(token, ()))}
        unused = frozenset(await self._without_words_of_names(session, alone))
        return Survey(unused, held, await self._versions(session))

    async def destroy_surveyed(self, session: AsyncSession, survey: Survey) -> dict[str, bytes]:
        """Destroy what is unused still; what was sealed, by token. Looks through what was written since the survey."""
        await hold(session, self._tenant, alone=True)
        if not survey.unused:
            return {}
        written = await self._versions(session) - survey.versions
        stand = await find_occurrences(session, self._tenant, survey.unused, written)
        used = survey.unused.intersection(stand.documents)
        words: set[str] = set()
        if any(one.startswith(_PERSON) for one in survey.unused):
            words = await self._words_of(session, used | (await self._tokens(session) - survey.held))
        return await self._vault.erase(session, survey.unused - used - words)

    async def destroy(self, session: AsyncSession, tokens: Collection[str]) -> dict[str, bytes]:
        """Destroy what is unused of these and of the words of the names among them; what was sealed, by token.

        An entry that does not open goes as well, and its words stay. The caller holds the vault alone.
        """
        words = await self._words_of(session, frozenset(tokens))
        held = await self._vault.known(session, words.union(tokens))
        return await self._vault.erase(session, await self._unused(session, held))

    async def _tokens(self, session: AsyncSession) -> frozenset[str]:
        return frozenset(await session.scalars(select(VaultRow.token).where(VaultRow.tenant == self._tenant)))

    async def _versions(self, session: AsyncSession) -> frozenset[str]:
        return frozenset(await session.scalars(select(VersionRow.id).where(VersionRow.tenant == self._tenant)))

    async def _unused(self, session: AsyncSession, held: frozenset[str]) -> set[str]:
        stand = await find_occurrences(session, self._tenant, held)
        return await self._without_words_of_names(session, set(held.difference(stand.documents)))

    async def _words_of(self, session: AsyncSession, tokens: frozenset[str]) -> set[str]:
        opened = await self._vault.open_sound(session, [one for one in tokens if one.startswith(_PERSON)])
        return {token for name in opened.values() for token, _ in self._faces.name_words(name)}

    async def _without_words_of_names(self, session: AsyncSession, unused: set[str]) -> set[str]:
        """Less the words of names that stay. Opens every name of the tenant where one may go."""
        if not any(one.startswith(_PERSON) for one in unused):
            return unused
        words: set[str] = set()
        async for entry in self._vault.entries(session, "PERSON"):
            if entry.original is not None and entry.token not in unused:
                words.update(token for token, _ in self._faces.name_words(entry.original))
        return unused - words
