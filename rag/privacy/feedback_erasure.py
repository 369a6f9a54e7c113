"""What an erasure takes from feedback on answers: the texts that speak of her, and all that she gave herself."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.feedback import Feedbacks, clear_texts
from rag.privacy.erasure_plan import ErasurePlan


async def forget_feedback(session: AsyncSession, plan: ErasurePlan, tokens: Collection[str]) -> int:
    """Remove feedback of a person whose name is one of the values, and the texts of feedback that hold one of `tokens`
    or a value itself, where the masking had missed it. A case without its question is none any more. How many."""
    feedbacks = Feedbacks(session, plan.tenant)
    removed = 0
    for person in await feedbacks.people():
        if plan.names_somebody(person.partition(":")[2]):
            removed += await feedbacks.remove_person(person)
    for row in await feedbacks.with_texts():
        texts = (row.comment, row.question)
        if any(token in text for token in tokens for text in texts) or any(map(plan.names_somebody, texts)):
            clear_texts(row)
            removed += 1
    return removed
