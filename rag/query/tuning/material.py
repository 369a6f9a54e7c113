"""A tenant's visible documents as training reads them: in index faces, made in memory and written nowhere."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.trainable import Trainable, TrainableChunk, TrainableDocument
from rag.generation.sentences import Kind, split_sentences
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.unmask import NEVER_GIVEN_BACK, tokens_in, unmask
from rag.query.similarity import without_tokens

SENTENCE_WORDS_MIN = 5
"""A shorter sentence asks for nothing in particular."""
SPOKEN_CHARS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Cloze:
    """A sentence of a passage, and the passage without it. `spoken` is the sentence as a person would type it."""

    sentence: str = field(repr=False)
    rest: str = field(repr=False)
    spoken: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk. `context` is what stands above it: title and headings. All in index faces."""

    chunk: str
    context: str = field(repr=False)
    body: str = field(repr=False)
    clozes: tuple[Cloze, ...] = field(repr=False)

    @property
    def embedded(self) -> str:
        return f"{self.context}\n{self.body}" if self.context else self.body


@dataclass(frozen=True, slots=True)
class Material:
    """A document in one version. Documents of the same text have the same `mark`, a keyed digest."""

    document: str
    version: str
    content_digest: str
    mark: str
    passages: tuple[Passage, ...] = field(repr=False)


async def read_material(
    session: AsyncSession, privacy: TenantPrivacy, trainable: Trainable, limit: int, first: Collection[str] = ()
) -> list[Material]:
    """At most `limit` documents of the tenant that `privacy` is of, those of `first` before others.

    Originals are opened for their faces alone, document by document, as for the similarity of sentences.

    Raises:
        Damaged: an entry of the vault was changed.
    """
    ids = await trainable.documents()
    wanted = frozenset(first)
    chosen = sorted(ids, key=lambda one: one not in wanted)[:limit]  # stable: the others stay in their order
    found = []
    for document in chosen:
        loaded = await trainable.load(document)
        if loaded is not None and loaded.chunks:
            found.append(await _material(session, privacy, loaded))
    return found


async def _material(session: AsyncSession, privacy: TenantPrivacy, loaded: TrainableDocument) -> Material:
    texts = [loaded.title, *(text for chunk in loaded.chunks for text in (chunk.heading, chunk.text))]
    tokens = {token.text for text in texts for token in tokens_in(text)}
    originals = await privacy.vault.open(session, tokens) if tokens else {}
    spoken = await privacy.vault.open(session, tokens, without=NEVER_GIVEN_BACK) if tokens else {}
    return Material(
        document=loaded.id,
        version=loaded.version,
        content_digest=loaded.content_digest,
        mark=privacy.digest("tuning document", loaded.text).hex(),
        passages=tuple(_passage(privacy, loaded.title, chunk, originals, spoken) for chunk in loaded.chunks),
    )


def _passage(
    privacy: TenantPrivacy,
    title: str,
    chunk: TrainableChunk,
    originals: Mapping[str, str],
    spoken: Mapping[str, str],
) -> Passage:
    def face(text: str) -> str:
        return privacy.index_face_of_reading(text, originals).strip()

    clozes = []
    for one in split_sentences(chunk.text):
        sentence, rest = one.of(chunk.text), face(f"{chunk.text[: one.start]}{chunk.text[one.end :]}")
        if one.kind is Kind.PROSE and rest and len(sentence.split()) >= SENTENCE_WORDS_MIN:
            said = without_tokens(unmask(sentence, spoken))[:SPOKEN_CHARS_MAX]
            clozes.append(Cloze(face(sentence), rest, said))
    context = " ".join(part for part in (face(title), face(chunk.heading)) if part)
    return Passage(chunk.id, context, face(chunk.text), tuple(clozes))
