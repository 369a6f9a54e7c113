"""The card of a tuned model: what it was before, and the audit record that holds its digest."""

from collections.abc import Mapping
from typing import Any

from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.engine import Database
from rag.embedding.tuned import TunedModel, TunedModels
from rag.errors import Damaged


def earlier(models: TunedModels, model: TunedModel) -> Any:
    """What the card says that the model was made with. None: it was made, and the command ended before its card."""
    try:
        return (models.card(str(model.folder)) or {}).get("made_with")
    except Damaged:
        return None


async def record(database: Database, tenant: str, card: Mapping[str, Any], sha256: str, author: str) -> None:
    """Write of a card what the audit log may hold: ids, numbers and digests, `sha256` of the card itself among them."""
    numbers = ("pairs", "feedback_pairs", "questions", "feedback_questions", "figures")
    body: AuditBody = {
        "subject": author,
        "model": card["sha256"],
        "embedder": card["embedder_digest"],
        "base": card["base"]["digest"],
        "data": card["data_digest"],
        "card": sha256,
        "documents": len(card["documents"]),
        **{name: card[name] for name in numbers},
    }
    async with database.unit_of_work() as session:
        await AuditLog().append(session, tenant, "index_tuned", body)
