"""Giving original values back, at the very end: per entity, per document, per reader, each time decided anew.

A token is resolved only where a chunk shown in this very answer holds it and every caller may unmask that kind
of value in that chunk's document. So a token that a generator made up, or copied from elsewhere, stays a token.
Secrets are given back to nobody, whatever the policy says.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from policies.rules import Attributes, InvalidRule, action_name
from policies.snapshot import Snapshot
from rag.domain import Principal, ReadableChunk
from rag.privacy.outgoing import without_secrets
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.unmask import NEVER_GIVEN_BACK, tokens_in, unmask
from rag.query.decide import Standing, check_all
from rag.query.parts import QueryParts


@dataclass(frozen=True, slots=True)
class Shown:
    """A chunk's text with the labels that decide about its tokens, as they are now."""

    chunk: str
    document: str
    attributes: Attributes
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Permit:
    """That a token may be given back: for holding `action` where `holder` shows it."""

    action: str
    holder: Shown


@dataclass(frozen=True, slots=True)
class Revealed:
    """Originals by token, and per document the tokens that were given back from it.

    `rights` are what this rested on, as (action, chunk).
    """

    originals: Mapping[str, str] = field(repr=False)
    by_document: Mapping[str, frozenset[str]]
    rights: frozenset[tuple[str, str]]

    def apply(self, text: str) -> str:
        """The text as this reader may see it."""
        return without_secrets(unmask(text, self.originals))


def shown_chunks(chunks: Iterable[ReadableChunk], standing: Standing) -> list[Shown]:
    """Cited chunks with the attributes of this moment. A title belongs to its document and counts as shown."""
    return [
        Shown(
            found.chunk.id,
            found.chunk.document,
            standing.attributes[found.chunk.id],
            f"{found.title}\n{found.chunk.text}",
        )
        for found in chunks
    ]


async def reveal(
    texts: Iterable[str],
    shown: Sequence[Shown],
    principal: Principal,
    standing: Standing,
    privacy: TenantPrivacy,
    parts: QueryParts,
) -> Revealed:
    """The originals that this reader may see of the tokens in `texts`."""
    wanted = {token.text: token.entity for text in texts for token in tokens_in(text)}
    permits = await permitted(wanted, shown, principal, standing.snapshot)
    return await open_permitted(permits, privacy, parts)


async def permitted(
    wanted: Mapping[str, str], shown: Sequence[Shown], principal: Principal, snapshot: Snapshot
) -> dict[str, Permit]:
    """Which of the `wanted` tokens (with their entities) may be given back, and why."""
    holders = _holders(shown)
    permits: dict[str, Permit] = {}
    for entity in sorted(set(wanted.values())):
        action = _action(entity)
        tokens = [token for token, kind in wanted.items() if kind == entity]
        labels = [holder.attributes for token in tokens for holder in holders.get(token, ())]
        if action is None or not labels:
            continue
        decisions = await check_all(snapshot, principal.callers, action, labels)
        for token in tokens:
            permitting = [h for h in holders.get(token, ()) if decisions[h.attributes].allowed]
            if permitting:
                permits[token] = Permit(action, permitting[0])
    return permits


async def open_permitted(permits: Mapping[str, Permit], privacy: TenantPrivacy, parts: QueryParts) -> Revealed:
    """The originals of permitted tokens. One that was erased, or whose kind is redacted, has none."""
    if not permits:
        return Revealed({}, {}, frozenset())
    async with parts.database.glance() as session:
        originals = await privacy.vault.open(session, permits, without=privacy.redacted)
    by_document: defaultdict[str, set[str]] = defaultdict(set)
    for token in originals:
        by_document[permits[token].holder.document].add(token)
    given_back = {name: frozenset(tokens) for name, tokens in by_document.items()}
    return Revealed(originals, given_back, frozenset((p.action, p.holder.chunk) for p in permits.values()))


def _holders(shown: Sequence[Shown]) -> dict[str, list[Shown]]:
    """By token, who holds it. One pass over each text: a table of people has tens of thousands of tokens."""
    holders: defaultdict[str, list[Shown]] = defaultdict(list)
    for one in shown:
        for token in {token.text for token in tokens_in(one.text)}:
            holders[token].append(one)
    return holders


def _action(entity: str) -> str | None:
    if entity in NEVER_GIVEN_BACK:
        return None
    try:
        return action_name(f"unmask:{entity}")
    except InvalidRule:
        return None
