"""What one question takes from the day's budgets of its person and its assistant: tokens, and restricted chunks.

Taken in one transaction before anything is generated or shown; what cannot be counted is not answered.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from policies.rules import Attributes, Level
from rag.db.usage import Usage, Used
from rag.domain import Principal, ReadableChunk
from rag.errors import Limited, Unavailable
from rag.limit_settings import LimitSettings
from rag.query.parts import QueryParts
from rag.query.record import who, write_record

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Budget:
    """What one subject may use in a day; None is no limit, and is not counted."""

    subject: str
    kind: str
    tokens: int | None
    chunks: int | None

    def refuse_above(self, used: Used, now: datetime) -> None:
        for name, most, total in (
            ("tokens", self.tokens, used.tokens),
            ("restricted_chunks", self.chunks, used.chunks),
        ):
            if most is not None and total > most:
                code = f"{self.kind}_{name}_per_day"
                raise Limited(
                    f"This would be more than the {most} {name.replace('_', ' ')} that the {self.kind} may use in a "
                    f"day (limits.{code}). The next day begins at midnight UTC.",
                    retry_after_s=(_midnight_after(now) - now).total_seconds(),
                    code=code,
                )


@dataclass(slots=True)
class Meter:
    """How many tokens the question and its answer really had."""

    used: int

    def add(self, tokens: int) -> None:
        self.used += tokens


@asynccontextmanager
async def metered(
    parts: QueryParts, principal: Principal, sources: Iterable[ReadableChunk], question_tokens: int, answer_tokens: int
) -> AsyncIterator[Meter]:
    """Take what the question and the longest answer need; at the end, give back what was not used.

    Nothing is given back to callers who leave early: else they would have what was generated until then for nothing.

    Raises:
        Limited: a budget does not suffice; its code names the limit, and nothing was taken.
        Unavailable: the budgets could not be read or written.
    """
    taken, now = question_tokens + answer_tokens, datetime.now(UTC)
    await _take(parts, principal, labels_of(sources), taken, now)
    meter = Meter(question_tokens)
    try:
        yield meter
    except Exception:
        await _give_back(parts, principal, taken - meter.used, now.date())
        raise
    await _give_back(parts, principal, taken - meter.used, now.date())


async def count_chunks(parts: QueryParts, principal: Principal, labels: Mapping[str, Attributes]) -> None:
    """Count chunks that are about to be shown; `labels` are theirs, by id.

    Raises:
        Limited, Unavailable: as `metered`; then they must not be shown.
    """
    await _take(parts, principal, labels, 0, datetime.now(UTC))


def labels_of(chunks: Iterable[ReadableChunk]) -> dict[str, Attributes]:
    return {found.chunk.id: found.attributes for found in chunks}


async def _take(
    parts: QueryParts, principal: Principal, labels: Mapping[str, Attributes], tokens: int, now: datetime
) -> None:
    limits = parts.settings.limits
    budgets = _budgets(principal, limits)
    if not budgets:
        return
    restricted = [chunk for chunk, label in labels.items() if _is_restricted(label, limits)]

    async def take(session: AsyncSession) -> None:
        for budget in budgets:
            usage = Usage(session, principal.tenant, budget.subject, now.date())
            counted = restricted if budget.chunks is not None else ()
            used = await usage.add(tokens if budget.tokens is not None else 0, counted)
            budget.refuse_above(used, now)
            await usage.forget_older()

    try:
        await parts.database.write(take)
    except Limited as refusal:
        await write_record(parts, principal.tenant, "limited", who(principal) | {"code": refusal.code})
        raise
    except Exception as cause:
        raise Unavailable(
            "The budgets of the day could not be read or written, so nothing was answered. Retry; `ringfence doctor` "
            "checks the database.",
            code="budget_unavailable",
        ) from cause


async def _give_back(parts: QueryParts, principal: Principal, tokens: int, day: date) -> None:
    """Correct what was taken. Where that fails, the whole stays taken: the answer is recorded and may leave."""
    budgets = [budget for budget in _budgets(principal, parts.settings.limits) if budget.tokens is not None]
    if not budgets or tokens == 0:
        return
    try:
        await asyncio.shield(_correct(parts, principal.tenant, budgets, -tokens, day))
    except Exception as cause:  # noqa: BLE001 - whatever it is, it costs the caller tokens and nothing else
        _log.warning("budget_not_corrected tokens=%d cause=%s", tokens, type(cause).__name__)


async def _correct(parts: QueryParts, tenant: str, budgets: list[_Budget], tokens: int, day: date) -> None:
    async def correct(session: AsyncSession) -> None:
        for budget in budgets:
            await Usage(session, tenant, budget.subject, day).add(tokens)

    await parts.database.write(correct)


def _budgets(principal: Principal, limits: LimitSettings) -> list[_Budget]:
    """Those that count anything, always in the same order, so that two questions cannot wait for each other."""
    person = _Budget(principal.person, "person", limits.person_tokens_per_day, limits.person_restricted_chunks_per_day)
    found = [person]
    if principal.assistant is not None:
        tokens, chunks = limits.assistant_tokens_per_day, limits.assistant_restricted_chunks_per_day
        found.append(_Budget(principal.assistant, "assistant", tokens, chunks))
    counting = [budget for budget in found if budget.tokens is not None or budget.chunks is not None]
    return sorted(counting, key=lambda budget: budget.subject)


def _is_restricted(labels: Attributes, limits: LimitSettings) -> bool:
    if limits.restricted_compartments and labels.compartments:
        return True
    return labels.level >= Level[limits.restricted_level.upper()]


def _midnight_after(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time.min, UTC)
