"""What an erasure would do: which tokens of a person become unreadable, which stay and why, and where they stand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import tldextract
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.occurrences import find_occurrences
from rag.errors import Damaged
from rag.privacy.erased import Erased, marks_of, name_mark, name_marks, value_mark
from rag.privacy.faces import TOKEN, FaceMaker, name_parts, normalise
from rag.privacy.keys import TenantKeys
from rag.privacy.names import Kept, Parts, Why, decide
from rag.privacy.vault import Vault


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value or token that the operator named, and the place where she did, for messages."""

    text: str = field(repr=False)
    place: str


@dataclass(frozen=True, slots=True)
class ErasedToken:
    """A token that becomes unreadable, and in how many documents and chunks it stands."""

    token: str
    entity: str
    why: Why
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A related token that stays readable. `used_by`: how many other entries have the part."""

    token: str
    why: Kept
    used_by: int


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure would do. `missing` are places that name nothing; `before`, by place, the earlier receipt.

    `unreadable` entries of people do not open, so it cannot be told whether they are hers.
    """

    tenant: str
    erased: tuple[ErasedToken, ...]
    kept: tuple[KeptToken, ...]
    documents: frozenset[str]
    chunks: frozenset[str]
    missing: tuple[str, ...]
    before: Mapping[str, str]
    unreadable: int
    marks: frozenset[str] = field(repr=False)
    originals: frozenset[str] = field(repr=False)
    """In normal form; only to see that the reason does not name them."""

    def names_somebody(self, text: str) -> bool:
        """Whether one of the values stands in the text: it would be kept with the receipt."""
        folded, parts = normalise("", text), set(name_parts(text))
        return any(
            re.search(rf"(?<!\w){re.escape(value)}(?!\w)", folded)
            or (_may_be_name(value) and parts.issuperset(name_parts(value)))
            for value in self.originals
        )


@dataclass(slots=True)
class _Found:
    """What is known so far of the values that were named."""

    named: dict[str, str] = field(default_factory=dict)
    names: set[Parts] = field(default_factory=set, repr=False)
    originals: dict[str, str] = field(default_factory=dict, repr=False)
    unreadable: int = 0


class Planner:
    """Plans erasures in one tenant. Takes sessions and only reads."""

    def __init__(self, tenant: str, keys: TenantKeys, domains: tldextract.TLDExtract) -> None:
        self._tenant = tenant
        self._marks = keys.vault.marks
        self._vault = Vault(tenant, keys.vault)
        self._faces = FaceMaker(keys.tokens, keys.words, domains)

    async def plan(self, session: AsyncSession, wanted: Sequence[Wanted]) -> ErasurePlan:
        """What erasing would do. Opens every name of the tenant once: 200,000 take some seconds."""
        found = _Found()
        for one in wanted:
            await self._look_up(session, one.text, found)
        people = await self._people(session, found)
        # Of a name that is not held, no part is touched: it is somebody else's.
        decision = decide(found.names & set(people.values()), found.named, people)
        erased = {**dict.fromkeys(found.named, Why.NAMED), **decision.erased}
        entities = dict.fromkeys(decision.erased, "PERSON") | found.named
        stand = await find_occurrences(session, self._tenant, erased)
        missing, before = await self._unfound(session, wanted, found, people)
        return ErasurePlan(
            tenant=self._tenant,
            erased=tuple(
                ErasedToken(token, entities[token], why, len(stand.documents[token]), len(stand.chunks[token]))
                for token, why in sorted(erased.items())
            ),
            kept=tuple(KeptToken(token, *why) for token, why in sorted(decision.kept.items())),
            documents=frozenset().union(*(stand.documents[token] for token in erased)),
            chunks=frozenset().union(*(stand.chunks[token] for token in erased)),
            missing=missing,
            before=before,
            unreadable=found.unreadable,
            marks=self._all_marks(erased, entities, found),
            originals=frozenset(normalise("", found.originals[token]) for token in erased if token in found.originals),
        )

    async def _look_up(self, session: AsyncSession, text: str, found: _Found) -> None:
        token = TOKEN.fullmatch(text)
        if token is None:
            held = await self._vault.find(session, text, self._faces)
            found.named |= held
            found.originals |= dict.fromkeys(held, text)
            if _may_be_name(text):
                found.names.add(frozenset(name_parts(text)))
        elif await self._vault.known(session, [text]):
            found.named[text] = token[1]
            try:
                original = (await self._vault.open(session, [text]))[text]
            except Damaged:
                return  # It can be destroyed all the same; what else is hers cannot be told.
            found.originals[text] = original
            if token[1] == "PERSON":
                found.names.add(frozenset(name_parts(original)))

    async def _people(self, session: AsyncSession, found: _Found) -> dict[str, Parts]:
        """The entries of people that share a part with one of the names."""
        people: dict[str, Parts] = {}
        wanted = frozenset[str]().union(*found.names)
        if not wanted:
            return people
        async for entry in self._vault.entries(session, "PERSON"):
            if entry.original is None:
                found.unreadable += entry.token not in found.named
                continue
            if not _may_share(entry.original, wanted):
                continue
            parts = frozenset(name_parts(entry.original))
            if not wanted.isdisjoint(parts):
                people[entry.token] = parts
                found.originals.setdefault(entry.token, entry.original)
        return people

    def _all_marks(self, erased: Mapping[str, Why], entities: Mapping[str, str], found: _Found) -> frozenset[str]:
        marks = set(erased)
        for token, why in erased.items():
            if token in found.originals:
                make = name_marks if why is Why.PART else marks_of
                marks |= make(self._marks, token, entities[token], found.originals[token])
        return frozenset(marks)

    async def _unfound(
        self, session: AsyncSession, wanted: Sequence[Wanted], found: _Found, people: Mapping[str, Parts]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Of what names no entry, the places of those never seen, and the receipts of those erased before."""
        held = frozenset(people.values())
        missing, before = list[str](), dict[str, str]()
        for one in wanted:
            if one.text in found.named or await self._vault.find(session, one.text, self._faces):
                continue
            marks = {one.text, value_mark(self._marks, one.text)}
            if _may_be_name(one.text):
                if frozenset(name_parts(one.text)) in held:
                    continue
                marks.add(name_mark(self._marks, name_parts(one.text)))
            receipts = await Erased(session, self._tenant).find(marks)
            if receipts:
                before[one.place] = min(receipts.values())
            else:
                missing.append(one.place)
        return tuple(missing), before


def _may_share(original: str, parts: Parts) -> bool:
    """False only where it is plain that no part stands in the name: most names are told by this alone."""
    if not original.isascii():
        return True
    folded = original.casefold().replace("'", "")
    return any(part in folded for part in parts)


def _may_be_name(text: str) -> bool:
    return bool(name_parts(text)) and "@" not in text and not any(map(str.isdigit, text))
