"""Evaluation cases of reviewed feedback, for tuning: those about trained documents are trained on, others held out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from rag.embedding.protocol import Embedder
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.unmask import NEVER_GIVEN_BACK, tokens_in, unmask
from rag.query.feedback_review import Case, cases
from rag.query.similarity import fitting, without_tokens
from rag.query.tuning.material import Material, Passage
from rag.query.tuning.pairs import Pair, Question, Split


@dataclass(frozen=True, slots=True)
class FacedCase:
    """An answerable case with its question in index face, and as a person would type it."""

    case: Case
    face: str = field(repr=False)
    spoken: str = field(repr=False)


async def faced_cases(session: AsyncSession, privacy: TenantPrivacy) -> list[FacedCase]:
    """Those of the tenant that `privacy` is of. Tokens of erased values stay: nobody can say them any more."""
    found = []
    for case in await cases(session, privacy.tenant):
        tokens = {token.text for token in tokens_in(case.question)}
        originals = await privacy.vault.open(session, tokens) if tokens else {}
        spoken = await privacy.vault.open(session, tokens, without=NEVER_GIVEN_BACK) if tokens else {}
        face = privacy.index_face_of_reading(case.question, originals).strip()
        if case.expected.answerable and face:
            found.append(FacedCase(case, face, without_tokens(unmask(case.question, spoken))))
    return found


def share_out(found: Sequence[FacedCase], parts: Split, embedder: Embedder) -> tuple[list[Pair], list[Question]]:
    """Pairs of the cases whose documents are all trained on; questions of those with a document that is held out.

    A case of which a document is neither, gone or behind a wall, is neither trained on nor asked.
    """
    trained = {one.document: one for one in parts.trained}
    held_out = {one.document for one in parts.held_out}
    pairs: list[Pair] = []
    questions: list[Question] = []
    for one in found:
        wanted = one.case.expected.positive_documents
        if all(document in trained for document in wanted):
            pairs += [
                Pair(one.face, passage.embedded, document)
                for document in wanted
                for passage in _answering(one, trained[document], embedder)
            ]
        elif held_out & set(wanted) and all(document in trained or document in held_out for document in wanted):
            questions.append(Question(one.face, one.spoken, frozenset(wanted), one.case.person))
    return pairs, questions


def _answering(one: FacedCase, material: Material, embedder: Embedder) -> list[Passage]:
    """The passages of a document that answered; where they were cut anew since, the one nearest to the question."""
    shown = [passage for passage in material.passages if passage.chunk in one.case.expected.positive_chunks]
    if shown:
        return shown
    texts = [fitting(embedder, passage.embedded) for passage in material.passages]
    likeness = embedder.embed_passages(texts) @ embedder.embed_query(one.face)
    return [material.passages[int(likeness.argmax())]]
