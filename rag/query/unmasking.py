"""Giving single values of a document back to somebody who asks for them by their tokens."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from policies.plan import DenyAll
from policies.rules import Attributes, InvalidRule, Level
from rag.db.documents import Documents, attributes_of, tightening_of
from rag.domain import Principal
from rag.errors import Misuse, NotFound, PolicyUnreadable
from rag.privacy.unmask import token_of, tokens_in
from rag.query.decide import check_all, plan_of, read_policy
from rag.query.parts import QueryParts
from rag.query.record import who, write_record
from rag.query.reveal import Shown, open_permitted, permitted

TOKENS_MAX = 100
"""Tokens of one call: whoever needs a table of people opens its passage."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Originals by token. `withheld` are tokens that do not stand in the document, or that she may not see."""

    document: str
    values: Mapping[str, str] = field(repr=False)
    withheld: tuple[str, ...]


async def give_back(document: str, tokens: Sequence[str], principal: Principal, parts: QueryParts) -> GivenBack:
    """The originals of `tokens`, written with or without brackets, for whom the policy of this moment lets see them.

    Each must stand in the document's visible version, where she may read it and unmask its kind. Recorded before it
    is returned, and so is a refusal.

    Raises:
        Misuse: no tokens, too many, or something that has not the form of one.
        NotFound: there is no such document, she may not read it, or none of the tokens is for her: the same words.
        PolicyUnreadable, AuditUnavailable: then nothing is given back.
    """
    wanted = _wanted(tokens)
    try:
        async with parts.database.reading() as session:
            snapshot = await read_policy(parts, session, principal.tenant)
            privacy = await parts.privacy.for_tenant(session, principal.tenant)
            holders = await _holders(Documents(session), principal.tenant, document, wanted)
    except (SQLAlchemyError, InvalidRule, ValueError) as cause:
        raise PolicyUnreadable("It could not be decided, so nothing was given back. Retry.") from cause
    # Where there is nothing, a document that nobody may read is decided on: the time must not tell the two apart.
    labels = [one.attributes for one in holders] or [Attributes(principal.tenant, "none", "none", Level.SECRET)]
    decisions = await check_all(snapshot, principal.callers, "read", labels)
    denied = isinstance(plan_of(snapshot, principal), DenyAll)
    readable = [one for one in holders if not denied and decisions[one.attributes].allowed]
    permits = await permitted(wanted, readable, principal, snapshot)
    revealed = await open_permitted(permits, privacy, parts)
    body = who(principal) | {"epoch": snapshot.epoch, "asked": privacy.digest("unmask", document, *wanted).hex()}
    if not revealed.originals:
        await write_record(parts, principal.tenant, "unmask_refused", body)
        raise NotFound("There is no such value in a document, or none that you may see.")
    given = sorted(revealed.originals)
    ids = {"document": document, "tokens": [token.strip("<>") for token in given]}
    await write_record(parts, principal.tenant, "unmask", body | ids)
    withheld = tuple(token for token in wanted if token not in revealed.originals)
    return GivenBack(document, {token: revealed.originals[token] for token in given}, withheld)


def _wanted(tokens: Sequence[str]) -> dict[str, str]:
    """Tokens as they are stored, with their entities, in the order of the call."""
    if not 1 <= len(tokens) <= TOKENS_MAX:
        raise Misuse(f"Name between 1 and {TOKENS_MAX} tokens at once.")
    wanted: dict[str, str] = {}
    for number, written in enumerate(tokens, start=1):
        token = token_of(written)
        if token is None:
            # What was sent instead may be a name: it is not repeated.
            raise Misuse(f"Token {number} has not the form of one: PERSON_ and 16 digits, as the text shows it.")
        wanted[token.text] = token.entity
    return wanted


async def _holders(documents: Documents, tenant: str, document: str, wanted: Collection[str]) -> list[Shown]:
    """The title and the chunks of the visible version that hold one of the tokens, each with its own labels."""
    found = await documents.find(tenant, document)
    if found is None or found.current_version is None:
        return []
    labels = attributes_of(found)
    version = await documents.load_version(tenant, document, found.current_version)
    shown = [Shown("", document, labels, found.title)]
    if version is not None:
        for row in await documents.chunks_of(tenant, version.id):
            own = labels.tightened(tightening_of(row))
            shown.append(Shown(row.id, document, own, f"{row.heading}\n{version.text[row.start : row.end]}"))
    return [one for one in shown if any(token.text in wanted for token in tokens_in(one.text))]
