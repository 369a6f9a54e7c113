"""What of a vault nothing refers to any more: values that stand in no document and are no part of a name that does.

A document that its source no longer has leaves such values behind. The words of a name have entries of their own, by
which a question about a surname is understood; they stand in no text, and go with the last name that has them.
"""

from collections.abc import Collection

import tldextract
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.occurrences import find_occurrences
from rag.db.tables import VaultRow
from rag.privacy.faces import FaceMaker
from rag.privacy.keys import TenantKeys
from rag.privacy.vault import Vault, hold

_PERSON = "<PERSON_"


class UnusedValues:
    """Finds and destroys them in one tenant. Takes sessions; never commits."""

    def __init__(self, tenant: str, keys: TenantKeys, domains: tldextract.TLDExtract) -> None:
        self._tenant = tenant
        self._vault = Vault(tenant, keys.vault)
        self._faces = FaceMaker(keys.tokens, keys.words, domains)

    async def destroy_all(self, session: AsyncSession) -> dict[str, bytes]:
        """Destroy every unused value of the tenant; what was sealed, by token. Looks through all texts and names."""
        await hold(session, self._tenant, alone=True)
        tokens = await session.scalars(select(VaultRow.token).where(VaultRow.tenant == self._tenant))
        return await self.destroy(session, list(tokens))

    async def destroy(self, session: AsyncSession, tokens: Collection[str]) -> dict[str, bytes]:
        """Destroy what is unused of these and of the words of the names among them; what was sealed, by token.

        An entry that does not open goes as well, and its words stay. The caller holds the vault alone.
        """
        words = await self._words_of(session, frozenset(tokens))
        held = await self._vault.known(session, words.union(tokens))
        stand = await find_occurrences(session, self._tenant, held)
        unused = await self._without_words_of_names(session, {one for one in held if not stand.documents[one]})
        return await self._vault.erase(session, unused)

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
