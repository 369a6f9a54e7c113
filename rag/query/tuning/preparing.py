"""Everything that a tuning reads of a tenant, and how it is shared out between training and measuring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.rules import Level
from rag.db.engine import Database
from rag.db.trainable import Trainable
from rag.embedding.protocol import Embedder
from rag.errors import Misuse
from rag.privacy.tenant import Privacy
from rag.query.tuning.cases import faced_cases, share_out
from rag.query.tuning.material import Material, read_material
from rag.query.tuning.pairs import Entry, Pair, Question, entries, held_out_questions, split, training_pairs

ENTRIES_MAX = 5000
"""Passages that held-out questions are asked among: those of held-out documents, and of others up to this number."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be read, and how much of it. `held_out` is the share of documents that are not trained on."""

    level_max: Level = Level.SECRET
    documents: int = 2000
    pairs: int = 4000
    questions: int = 300
    held_out: float = 0.2
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is trained on and what is asked. `data_digest` is keyed: it says nothing to whoever guesses a text."""

    trained: tuple[Material, ...] = field(repr=False)
    held_out: tuple[Material, ...] = field(repr=False)
    pairs: tuple[Pair, ...] = field(repr=False)
    feedback_pairs: int
    questions: tuple[Question, ...] = field(repr=False)
    cases: tuple[Question, ...] = field(repr=False)
    entries: tuple[Entry, ...] = field(repr=False)
    data_digest: str

    def as_json(self) -> Mapping[str, Any]:
        """Ids, digests and numbers."""
        return {
            "data_digest": self.data_digest,
            "pairs": len(self.pairs),
            "feedback_pairs": self.feedback_pairs,
            "questions": len(self.questions),
            "feedback_questions": len(self.cases),
            "documents": [_named(one) for one in self.trained],
            "held_out": [_named(one) for one in self.held_out],
        }


async def prepare(
    database: Database, privacy: Privacy, tenant: str, embedder: Embedder, limits: Limits, batch: int
) -> Prepared:
    """Read the tenant's visible documents and reviewed feedback, and share them out.

    `embedder` made the live index. `batch` pairs at least are needed.

    Raises:
        Misuse: `too_little`, there is not enough to train on, or nothing to ask.
        Damaged: what is stored was changed.
    """
    async with database.reading() as session:
        trainable = Trainable(session, tenant, limits.level_max)
        if not await trainable.documents():
            raise Misuse(
                f"Tenant {tenant!r} has no document that may be trained on: `ringfence ingest` brings some, and "
                "--level-max says up to which level.",
                code="too_little",
            )
        own = await privacy.for_tenant(session, tenant)
        asked = await faced_cases(session, own)
        first = {document for one in asked for document in one.case.expected.positive_documents}
        materials = await read_material(session, own, trainable, limits.documents, first)
    parts = split(materials, limits.held_out, limits.seed)
    of_feedback, cases = share_out(asked, parts, embedder)
    pairs = training_pairs(parts.trained, of_feedback, limits.seed, limits.pairs)
    clozes = held_out_questions(parts.held_out, limits.seed, limits.questions)
    if len(pairs) < batch or not clozes:
        raise Misuse(
            f"Tenant {tenant!r} has too little to tune on: {len(parts.trained)} documents with {len(pairs)} pairs to "
            f"train on, of which {batch} are needed, and {len(parts.held_out)} documents with {len(clozes)} questions "
            "held out. Ingest more, or choose another --seed or --held-out.",
            code="too_little",
        )
    return Prepared(
        trained=parts.trained,
        held_out=parts.held_out,
        pairs=tuple(pairs),
        feedback_pairs=len(set(of_feedback) & set(pairs)),
        questions=tuple(question for question, _, _ in clozes),
        cases=tuple(cases),
        entries=tuple(_searched(entries(parts.held_out, clozes), entries(parts.trained, []))),
        data_digest=own.digest(
            "tuning data", *(text for pair in pairs for text in (pair.question, pair.passage))
        ).hex(),
    )


def _searched(held_out: Sequence[Entry], trained: Sequence[Entry]) -> list[Entry]:
    return [*held_out, *trained[: max(0, ENTRIES_MAX - len(held_out))]]


def _named(one: Material) -> Mapping[str, str]:
    return {"document": one.document, "version": one.version, "content_digest": one.content_digest}
