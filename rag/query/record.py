"""What the audit log says of one question: ids, numbers and keyed digests, written before anything leaves."""

import asyncio
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from policies.plan import Clause, DenyAll, Plan
from rag.domain import Answer, Principal, ReadableChunk, digest_of
from rag.errors import AuditUnavailable
from rag.query.account import Reader
from rag.query.found import Retrieval
from rag.query.parts import QueryParts

_log = logging.getLogger(__name__)

_UNFIT = re.compile(r"[^A-Za-z0-9_.:@/+-]")
_NAME_CHARS_MAX = 160
REFUSED_LISTED_MAX = 100


class Recorder:
    """The records of one question. Each method writes in a transaction of its own.

    Raises:
        AuditUnavailable: the record could not be written; what it would have recorded must not happen.
    """

    def __init__(self, parts: QueryParts, principal: Principal, retrieval: Retrieval, answer_id: str = "") -> None:
        self._parts = parts
        self._principal = principal
        self._retrieval = retrieval
        self._answer_id = answer_id
        self.opened = False

    async def searched(self) -> None:
        await self._write("search", self._question() | {"shown": _chunks(self._retrieval.chunks)})

    async def asked(self, model: str, considered: Sequence[ReadableChunk]) -> None:
        """Before the first claim leaves: who asks, and what the generator was given. Written once."""
        if not self.opened:
            body = {"answer": self._answer_id, "model": _fit(model), "considered": _chunks(considered)}
            try:
                await self._write("question", self._question() | body)
            except asyncio.CancelledError:
                # Whoever stops waiting does not stop what has begun: it may be written, and must not stay open.
                self.opened = True
                raise
            self.opened = True

    async def unmasked(self, given_back: Collection[str], document: str) -> None:
        """Which tokens (themselves keyed digests) were given back, from which document."""
        body = {"answer": self._answer_id, "document": document, "tokens": [t.strip("<>") for t in sorted(given_back)]}
        await self._write("unmask", self._who() | body)

    async def answered(self, answer: Answer) -> None:
        """Before the answer is closed: what was shown."""
        shown = [{"document": c.document, "version": c.version, "chunk": c.chunk} for c in answer.citations]
        body = {
            "answer": answer.id,
            "found": answer.found,
            "epoch": answer.epoch,
            "model": _fit(answer.model),
            "shown": shown,
            "claims": sum(claim.supported for claim in answer.claims),
            "unsupported": sum(not claim.supported for claim in answer.claims),
            "level": int(answer.level),
            "digest": self._digest("answer text", answer.text),
            "stages_ms": {name: round(ms, 3) for name, ms in answer.timings.stages},
        }
        await self._write("answer", self._who() | body)

    async def explained(self, reader: Reader) -> None:
        """Before an explanation is given: who looks at whose answer, or, without an answer, at whose search."""
        administrator = reader.administrator
        through = [caller.subject for caller in (administrator.callers or ())[1:]]
        body = {"answer": self._answer_id, "key": reader.key, "reader": administrator.name, "through": through}
        await self._write("explain", self._who() | body)

    async def stopped(self, code: str) -> None:
        """An answer that was begun and not finished. Nothing leaves any more, so a failure here is only logged."""
        try:
            await asyncio.shield(self._write("stopped", self._who() | {"answer": self._answer_id, "code": _fit(code)}))
        except AuditUnavailable:
            _log.error("stopped_answer_not_recorded answer=%s code=%s", self._answer_id, code)

    async def _write(self, kind: str, body: Mapping[str, Any]) -> None:
        tenant = self._principal.tenant
        await write_record(self._parts, tenant, kind, body)

    def _who(self) -> dict[str, Any]:
        return who(self._principal)

    def _question(self) -> dict[str, Any]:
        retrieval = self._retrieval
        return self._who() | {
            "epoch": retrieval.snapshot.epoch,
            "plan": plan_digest(retrieval.plan),
            "denied": isinstance(retrieval.plan, DenyAll),
            "question": self._digest("question", retrieval.question),
            "guard": {"question": list(retrieval.guard.question), "passages": list(retrieval.guard.passages)},
            "refused": list(retrieval.refused[:REFUSED_LISTED_MAX]),
            "refused_count": len(retrieval.refused),
            "cell": retrieval.cell,
        }

    def _digest(self, purpose: str, text: str) -> str:
        return self._retrieval.privacy.digest(purpose, text).hex()


async def write_record(parts: QueryParts, tenant: str, kind: str, body: Mapping[str, Any]) -> None:
    """Append one record.

    Raises:
        AuditUnavailable: whatever the reason.
    """
    try:
        await parts.database.write(lambda session: parts.audit.append(session, tenant, kind, body))
    except Exception as cause:
        raise AuditUnavailable(
            "The audit record could not be written, so nothing was answered. Retry; `ringfence doctor` checks the log."
        ) from cause


def who(principal: Principal) -> dict[str, Any]:
    """The principal as records name it."""
    return {"person": principal.person, "assistant": principal.assistant, "source": principal.source.value}


def plan_digest(plan: Plan) -> str:
    """Equal for equal rights, whatever the order in which they were compiled; tells which filter a search used."""
    if isinstance(plan, DenyAll):
        return "deny_all"
    grants: list[str | bytes] = [plan.tenant]
    for grant in plan.grants:
        lists = [digest_of(sorted(names)) for names in (grant.closure, grant.compartments)]
        clauses = [digest_of(sorted(map(_clause_digest, side))) for side in (grant.allow, grant.deny)]
        grants.append(digest_of([grant.subject, *lists, *clauses]))
    return digest_of(grants).hex()


def _clause_digest(clause: Clause) -> bytes:
    columns = (clause.departments, clause.tags, clause.documents, clause.shared_with)
    lists = [b"any" if names is None else digest_of(sorted(names)) for names in columns]
    return digest_of([*lists, "any" if clause.owner is None else clause.owner, str(int(clause.max_level))])


def _chunks(chunks: Sequence[ReadableChunk]) -> list[dict[str, str]]:
    return [{"document": c.chunk.document, "version": c.chunk.version, "chunk": c.chunk.id} for c in chunks]


def _fit(name: str) -> str:
    """A name of the outside as the log can hold it."""
    return _UNFIT.sub("_", name)[:_NAME_CHARS_MAX]
