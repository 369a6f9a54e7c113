"""Erasing a person: first a plan that changes nothing, then one transaction that destroys, remembers and signs.

    plan: tokens of the values named -> other spellings, parts that are hers alone -> where they stand -> directories
    erase: delete the entries, leave the directories, clear feedback -> marks, so that no source brings them back
        -> signed receipt

What stays: the tokens in stored texts, which nobody can turn back any more, and the words of the index, which are
keyed digests too. Values that belong to her but were not named (her e-mail address, her telephone) stay as well.
Making the bytes vanish from the files is `rag.db.scrub`, after the transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from rag.errors import Conflict, Misuse
from rag.privacy.configured import Change
from rag.privacy.directory_erasure import Unlisted, unlist
from rag.privacy.erased import Erased
from rag.privacy.erasure_plan import ErasurePlan
from rag.privacy.feedback_erasure import forget_feedback
from rag.privacy.receipts import Receipts, Signer, new_receipt_id
from rag.privacy.vault import Vault, hold

REASON_CHARS_MAX = 500
KEPT_LISTED_MAX = 1000
"""Kept tokens that a receipt lists: "Lee" alone is a part of many names. It counts them all."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure has done: its receipt, and the bytes that must not be found on disk any more."""

    receipt: str
    text: str
    tokens: tuple[str, ...]
    deleted: tuple[bytes, ...] = field(repr=False)
    unlisted: Unlisted


async def erase(
    session: AsyncSession, plan: ErasurePlan, vault: Vault, signer: Signer, *, by: str, reason: str, now: datetime
) -> Erasure:
    """Carry out a plan in the caller's transaction.

    Raises:
        Misuse: the reason is too long, or names what is erased.
        Conflict: nothing of the plan is left: somebody has erased it since.
    """
    if len(reason) > REASON_CHARS_MAX or plan.names_somebody(reason):
        raise Misuse(
            f"The reason is kept with the receipt, so it must not name what is erased, and has at most "
            f"{REASON_CHARS_MAX} characters. Give the number of the request instead."
        )
    await hold(session, plan.tenant, alone=True)
    sealed = await vault.erase(session, [one.token for one in plan.erased])
    receipt = new_receipt_id()
    unlisted = await unlist(session, plan.tenant, plan.listed, Change(by, receipt, now))
    if not sealed and not unlisted.digests:
        raise Conflict("Nothing of this is in the vault or in a directory any more: it was erased meanwhile.")
    await Erased(session, plan.tenant).add(plan.marks, receipt, now)
    facts = _facts(plan, sealed.keys(), receipt, by=by, reason=reason, now=now)
    directories = [{"name": name, "digests": number} for name, number in sorted(unlisted.digests.items())]
    feedback = await forget_feedback(session, plan, sealed.keys())
    text = signer.sign({**facts, "directories": directories, "feedback": feedback})
    await Receipts(session, plan.tenant).add(receipt, now, text)
    return Erasure(receipt, text, tuple(sealed), tuple(sealed.values()), unlisted)


def _facts(
    plan: ErasurePlan, tokens: Collection[str], receipt: str, *, by: str, reason: str, now: datetime
) -> dict[str, Any]:
    return {
        "id": receipt,
        "tenant": plan.tenant,
        "at": now.isoformat(timespec="seconds"),
        "by": by,
        "reason": reason,
        "tokens": [
            {
                "token": one.token,
                "entity": one.entity,
                "why": one.why.value,
                "documents": one.documents,
                "chunks": one.chunks,
            }
            for one in plan.erased
            if one.token in tokens
        ],
        "kept": [
            {"token": one.token, "why": one.why.value, "used_by": one.used_by} for one in plan.kept[:KEPT_LISTED_MAX]
        ],
        "kept_in_all": len(plan.kept),
        "documents": len(plan.documents),
        "chunks": len(plan.chunks),
    }
