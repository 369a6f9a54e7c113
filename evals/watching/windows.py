"""What one window of time was like, as shares: of the audit log's questions and answers, and of what was ingested.

Records hold no text, and neither does what is made of them. Questions of the watch itself are left out: how many there
are of them hangs on its schedule.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.store import AuditRecords
from rag.db.index_versions import IndexVersion
from rag.db.tables import ChunkRow, VersionRow
from rag.db.watch import Shares
from rag.query.cells import PLANES, sides_of

SLOW_S = (1, 4)
CHUNKS_MAX = 5000
"""Chunks of one window that are looked at: as many tell a share to a hundredth."""


async def traffic_shares(session: AsyncSession, tenant: str, since: datetime, until: datetime, watcher: str) -> Shares:
    """What people asked and were answered from `since` to before `until`, without what `watcher` asked."""
    counts: Counter[str] = Counter()
    records = AuditRecords(session)
    async for record in records.of_answers(tenant, since, until):
        body = json.loads(record.body)
        if body["person"] != watcher:
            counts.update(_of_question(body) if record.kind == "question" else _of_answer(body))
    async for _ in records.backwards(tenant, since=since, until=until, kind="denied", names=()):
        counts.update(("denied",))
    questions, answers = counts["questions"], counts["answers"]
    return {
        "not_permitted": [counts["not_permitted"], questions],
        "refused_hits": [counts["refused_hits"], questions],
        "guarded": [counts["guarded"], questions],
        "denied": [counts["denied"], counts["denied"] + questions],
        "not_found": [counts["not_found"], answers],
        "unsupported": [counts["unsupported"], counts["claims"] + counts["unsupported"]],
        **{f"over_{limit}s": [counts[f"over_{limit}s"], answers] for limit in SLOW_S},
        **{f"question_bit_{bit}": [counts[f"bit_{bit}"], counts["cells"]] for bit in range(PLANES)},
    }


def _of_question(body: Mapping[str, Any]) -> dict[str, int]:
    cell = body.get("cell")
    return {
        "questions": 1,
        "not_permitted": bool(body["denied"]),
        "refused_hits": body["refused_count"] > 0,
        "guarded": bool(body["guard"]["question"]),
        "cells": cell is not None,
        **{f"bit_{bit}": cell is not None and bool(cell >> bit & 1) for bit in range(PLANES)},
    }


def _of_answer(body: Mapping[str, Any]) -> dict[str, int]:
    seconds = sum(body["stages_ms"].values()) / 1000
    return {
        "answers": 1,
        "not_found": not body["found"],
        "claims": body["claims"],
        "unsupported": body["unsupported"],
        **{f"over_{limit}s": seconds > limit for limit in SLOW_S},
    }


async def document_shares(
    session: AsyncSession, tenant: str, live: IndexVersion, since: datetime, until: datetime, seed: bytes
) -> Shares:
    """On which sides of the tenant's planes the chunks lie that became visible from `since` to before `until`."""
    published = VersionRow.published_at >= since, VersionRow.published_at < until
    of_live = VersionRow.tenant == tenant, VersionRow.index_version == live.number, *published
    statement = select(ChunkRow.dense).join(VersionRow, ChunkRow.version == VersionRow.id).where(*of_live)
    rows = list(await session.scalars(statement.order_by(ChunkRow.id).limit(CHUNKS_MAX)))
    sides = [0] * PLANES
    if rows:
        embeddings = np.stack([np.frombuffer(row, dtype="<f4") for row in rows]).astype(np.float32)
        sides = [int(side) for side in sides_of(embeddings, seed).sum(axis=0)]
    return {f"document_bit_{bit}": [side, len(rows)] for bit, side in enumerate(sides)}
