"""Sentence similarity over reading text: turned into the index face in memory, where the embedder feels at home."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.embedding.protocol import Embedder
from rag.generation.protocol import SentenceSimilarity
from rag.privacy.faces import kind_in_words
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.unmask import stand_ins_in, tokens_in
from rag.query.parts import QueryParts

CHARS_PER_TOKEN = 3
"""Shorter cuts are surely within the embedder's limit; longer ones are counted."""


class EmbedderSimilarity:
    """A `SentenceSimilarity` by an embedder. `index_face` makes of a text what the embedder is used to."""

    def __init__(self, embedder: Embedder, index_face: Callable[[str], str] | None = None) -> None:
        self._embedder = embedder
        self._index_face = index_face or without_tokens

    def face(self, text: str) -> str:
        return self._index_face(text)

    def score(self, question: str, sentences: Sequence[str]) -> NDArray[np.float32]:
        if not sentences:
            return np.zeros(0, dtype=np.float32)
        wanted = self._embedder.embed_query(self._index_face(question))
        vectors = self._embedder.embed_passages([fitting(self._embedder, self._index_face(text)) for text in sentences])
        return np.asarray(vectors @ wanted, dtype=np.float32)


def fitting(embedder: Embedder, text: str) -> str:
    """The beginning that the embedder takes: a text may be longer, a score needs no more."""
    limit = embedder.tokens_max
    while len(text) > limit and embedder.count_tokens(text) > limit:
        text = text[: max(limit, len(text) * 3 // 4)]
    return text


def without_tokens(text: str) -> str:
    """Tokens and redactions as the words they are named after: a poorer index face that needs no originals."""
    for token in stand_ins_in(text):
        text = text.replace(token.text, kind_in_words(token.entity))
    return text


async def tenant_similarity(privacy: TenantPrivacy, texts: Iterable[str], parts: QueryParts) -> SentenceSimilarity:
    """Similarity for the texts of one question, in the index face that the tenant's chunks were embedded in.

    The originals are opened for this only: they are held in memory, never shown, and gone with the question.
    """
    tokens = {token.text for text in texts for token in tokens_in(text)}
    if not tokens:
        return EmbedderSimilarity(parts.embedder)
    async with parts.database.glance() as session:
        originals = await privacy.vault.open(session, tokens)
    faces = await asyncio.to_thread(lambda: {t: privacy.index_face_of_reading(t, originals) for t in originals})

    def index_face(text: str) -> str:
        for token in tokens_in(text):
            if token.text in faces:
                text = text.replace(token.text, faces[token.text])
        return without_tokens(text)

    return EmbedderSimilarity(parts.embedder, index_face)
