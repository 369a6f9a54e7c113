"""Which names and numbers of a question stand in documents that its asker may read.

"what did lee sign" is turned into the masked form of Lee only if a readable document holds a Lee. The tenant's
vault must not be asked: it knows the values of all documents, and a question that is understood differently
because an unreadable document holds a name would tell that it does.
"""

import asyncio
from collections.abc import Iterable

from policies.plan import Conditions, DenyAll, Plan
from policies.snapshot import Snapshot
from rag.db.index_versions import FIRST, IndexVersion
from rag.domain import Principal
from rag.index.store import Query
from rag.privacy.tenant import TenantPrivacy
from rag.query.decide import check_chunks
from rag.query.parts import QueryParts

WORDS_MAX = 64
"""Words of one question that are looked up."""
HITS = 10
"""Chunks looked into for one value; those that hold all of its words come first."""


async def known_values(
    question: str,
    privacy: TenantPrivacy,
    decided: Plan,
    snapshot: Snapshot,
    principal: Principal,
    parts: QueryParts,
    live: IndexVersion = FIRST,
) -> frozenset[str]:
    """The tokens of those values in the question that a readable chunk holds. `live` is the index to ask.

    Raises:
        IndexUnavailable, PolicyUnreadable: it cannot be told.
    """
    if isinstance(decided, DenyAll):
        return frozenset()
    candidates = await asyncio.to_thread(privacy.candidates, question)
    words = list(dict.fromkeys(word for one in candidates for word in one.face.split()))[:WORDS_MAX]
    by_word = await _readable_texts(words, decided, snapshot, principal, parts, live)
    possible = [one for one in candidates if all(by_word.get(word) for word in one.face.split())]
    whole = [one for one in possible if not one.part]
    faces = dict.fromkeys(one.face for one in whole)
    by_face = await _readable_texts(faces, decided, snapshot, principal, parts, live)
    standing = (one.token for one in whole if any(one.token in text for text in by_face[one.face]))
    return frozenset([*(one.token for one in possible if one.part), *standing])


async def _readable_texts(
    faces: Iterable[str],
    decided: Conditions,
    snapshot: Snapshot,
    principal: Principal,
    parts: QueryParts,
    live: IndexVersion,
) -> dict[str, list[str]]:
    """For each index face the texts, with title and heading, of readable chunks that share a word with it."""
    wanted = list(faces)
    if not wanted:
        return {}
    store = await parts.stores.get(principal.tenant, live)
    queries = [Query(None, parts.lexical.encode_query(face)) for face in wanted]
    answers = await asyncio.gather(*(store.search(decided, query, limit=HITS) for query in queries))
    named = {hit.chunk for hits in answers for hit in hits.lexical}
    current, allowed = await check_chunks(parts, snapshot, principal, named, searched=live)
    texts = {
        chunk: "\n".join((found.title, found.chunk.heading, found.chunk.text))
        for chunk, found in current.items()
        if chunk in allowed
    }
    return {
        face: [texts[hit.chunk] for hit in hits.lexical if hit.chunk in texts]
        for face, hits in zip(wanted, answers, strict=True)
    }
