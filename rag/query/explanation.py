"""From what a question's account noted to what its reader may see of it.

Two rights are asked again, of this very moment: may the person of the question read the chunk, and does the reader
administer its document? The first opens ids and scores, which the person's own search would show; the second, as
`POST /api/v1/policy/explain` has it, also the rule that decided and what was refused. The local operator, whom no
policy binds, administers everything.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from policies.administration import ADMINISTER, Administrator, administers_rule
from policies.change import may_see_all
from policies.check import Decision
from policies.plan import DenyAll, Plan
from policies.rules import Attributes, Caller, Rule
from policies.snapshot import Snapshot
from policies.wording import describe
from rag.db.documents import LoadedChunk
from rag.domain import Principal
from rag.index.filter import access_of, size
from rag.query.account import Account
from rag.query.decide import check_all, load_chunks, load_document_labels, read_policy, readable_of
from rag.query.explained import (
    Candidate,
    Drop,
    Dropped,
    Explanation,
    Fate,
    Judgement,
    PlanExplained,
    RulesOf,
    Scores,
    Verdict,
)
from rag.query.found import Retrieval
from rag.query.guard import inert
from rag.query.marking import Gate
from rag.query.parts import QueryParts

RULES_MAX = 100
"""Rules that one explanation lists for each caller."""
JUDGEMENTS_MAX = 200


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the reader may see now: chunks that the person may read, and documents that she administers herself."""

    readable: frozenset[str]
    administered: frozenset[str]


async def explain(
    account: Account, retrieval: Retrieval, principal: Principal, parts: QueryParts, *, found: bool
) -> Explanation:
    """Explain a question whose answer, if any, is about to be closed.

    Raises:
        PolicyUnreadable: what the reader may see cannot be told.
    """
    async with parts.database.reading() as session:
        now = await read_policy(parts, session, principal.tenant)
        loaded = await load_chunks(session, principal.tenant, [*account.fused])
        documents = {one.chunk.document for one in loaded.values()}
        labels = await load_document_labels(session, principal.tenant, documents)
    administrator = account.reader.administrator
    _, readable = await readable_of(now, principal, loaded)
    sight = _Sight(readable, await _administered(now, administrator, labels) & documents)
    decisions = await check_all(
        retrieval.snapshot, principal.callers, "read", [one.attributes for one in account.current.values()]
    )
    candidates, dropped, withheld = _chunks(account, loaded, decisions, sight)
    return Explanation(
        plan=await asyncio.to_thread(_plan, account, retrieval, principal.callers, now, parts),
        candidates=candidates,
        dropped=dropped,
        withheld=withheld if may_see_all(now, administrator) else None,
        other_tenants=len(account.others) if administrator.callers is None else None,
        judgements=tuple(_told(one, found=found) for one in account.judgements[:JUDGEMENTS_MAX]),
    )


async def _administered(
    now: Snapshot, administrator: Administrator, labels: Mapping[str, Attributes]
) -> frozenset[str]:
    if administrator.callers is None:
        return frozenset(labels)
    decisions = await check_all(now, administrator.callers, ADMINISTER, list(labels.values()))
    return frozenset(document for document, attributes in labels.items() if decisions[attributes].allowed)


def _chunks(
    account: Account, loaded: Mapping[str, LoadedChunk], decisions: Mapping[Attributes, Decision], sight: _Sight
) -> tuple[tuple[Candidate, ...], tuple[Dropped, ...], Mapping[str, int]]:
    """Every hit of this tenant, in the order of its fused score."""
    fates, scores = _fates(account), _scores(account)
    candidates: list[Candidate] = []
    dropped: list[Dropped] = []
    withheld: Counter[str] = Counter()
    for chunk in account.fused:
        then, known = account.current.get(chunk), loaded.get(chunk)
        decision = None if then is None else decisions[then.attributes]
        administered = known is not None and known.chunk.document in sight.administered
        if chunk in account.others:
            continue
        if decision is not None and decision.allowed and then is not None:
            fate = fates.get(chunk, Fate.LIMIT)
            if administered or chunk in sight.readable:
                rule = decision.rule if administered else None
                candidates.append(Candidate(chunk, then.chunk.document, scores[chunk], rule, fate))
            else:
                withheld[fate] += 1
            continue
        reason = _why_dropped(then)
        if administered and known is not None:
            dropped.append(Dropped(chunk, known.chunk.document, scores[chunk], reason, decision))
        else:
            withheld[reason] += 1
    return tuple(candidates), tuple(dropped), withheld


def _why_dropped(found: LoadedChunk | None) -> Drop:
    if found is None:
        return Drop.STALE_VERSION
    same = found.attribute_version == found.indexed_attribute_version
    return Drop.REFUSED if same else Drop.STALE_LABELS


def _fates(account: Account) -> dict[str, Fate]:
    """Of each chunk that was ranked."""
    kept = {found.chunk.id: Fate.BUDGET for found in account.ranked[: account.kept]}
    if account.given is None:
        # A search shows what it kept.
        return dict.fromkeys(kept, Fate.GIVEN)
    for one in account.given:
        whole = len(one.passage.text) == len(one.source.chunk.text)
        kept[one.source.chunk.id] = Fate.GIVEN if whole else Fate.CUT
    return kept


def _scores(account: Account) -> dict[str, Scores]:
    dense = {hit.chunk: hit.score for hit in account.hits.dense}
    lexical = {hit.chunk: hit.score for hit in account.hits.lexical}
    reranked = {found.chunk.id: found.score for found in account.ranked}
    return {
        chunk: Scores(dense.get(chunk), lexical.get(chunk), fused, reranked.get(chunk))
        for chunk, fused in account.fused.items()
    }


def _plan(
    account: Account, retrieval: Retrieval, callers: Iterable[Caller], now: Snapshot, parts: QueryParts
) -> PlanExplained:
    decided, snapshot = retrieval.plan, retrieval.snapshot
    conditions, searches = _searches(decided, parts.settings.index.conditions_max)
    return PlanExplained(
        epoch=snapshot.epoch,
        denied=decided.reason if isinstance(decided, DenyAll) else None,
        callers=tuple(
            _rules(caller, snapshot.rules_for(snapshot.closure(caller), "read"), now, account.reader.administrator)
            for caller in callers
        ),
        conditions=conditions,
        searches=searches,
        rounds=account.rounds,
    )


def _searches(decided: Plan, conditions_max: int) -> tuple[int, int]:
    """How many conditions the plan takes as a filter, and how many searches it is split into."""
    access = None if isinstance(decided, DenyAll) else access_of(decided, conditions_max)
    return (0, 0) if access is None else (size(access.whole), len(access.parts))


def _rules(caller: Caller, rules: Collection[Rule], now: Snapshot, administrator: Administrator) -> RulesOf:
    """Those that the reader could list: a policy is shown by what she administers, and so is a plan."""
    callers = administrator.callers
    if callers is None or may_see_all(now, administrator):
        seen = sorted(rules, key=describe)
    else:
        seen = sorted((rule for rule in rules if administers_rule(now, callers, rule)), key=describe)
    return RulesOf(caller.subject, tuple(seen[:RULES_MAX]), len(rules) == len(seen[:RULES_MAX]))


def _told(judgement: Judgement, *, found: bool) -> Judgement:
    """The sentence in a form that nothing renders. It comes from passages that the person may read still."""
    told = replace(judgement, text=inert(judgement.text, ()))
    if judgement.verdict is Verdict.MARKED and not found:
        return replace(told, verdict=Verdict.REMOVED, gate=Gate.NOT_FOUND)
    return told
