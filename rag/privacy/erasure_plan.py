"""What an erasure would do: which tokens of a person become unreadable, which stay and why, and where they stand; and
in which directories she is listed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import tldextract
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.occurrences import find_occurrences
from rag.errors import Damaged
from rag.privacy.directory_erasure import Listed, ListedForms, Value, find_listed
from rag.privacy.erased import Erased, marks_of, name_mark, name_marks, value_mark
from rag.privacy.faces import TOKEN, FaceMaker, name_parts, normalise
from rag.privacy.keys import TenantKeys
from rag.privacy.known_values import known_values_key
from rag.privacy.names import Kept, Parts, Why, decide
from rag.privacy.unmask import token_of
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
    listed: Listed = field(repr=False)
    """What the directories have of her."""
    marks: frozenset[str] = field(repr=False)
    originals: frozenset[str] = field(repr=False)
    """In normal form; only to see that the reason does not name them."""

    @property
    def erases(self) -> bool:
        """Whether there is anything to be erased."""
        return bool(self.erased or self.listed)

    @property
    def digests(self) -> dict[str, int]:
        """By directory, how many digests her values have at most."""
        return {
            name: len({(one.entity, form) for one in some for form in one.forms}) for name, some in self.listed.items()
        }

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
    listed: frozenset[str] = field(default=frozenset(), repr=False)
    """What was named and stands in a directory, whether or not the vault holds it."""
    unreadable: int = 0


class Planner:
    """Plans erasures in one tenant. Takes sessions and only reads."""

    def __init__(self, tenant: str, keys: TenantKeys, domains: tldextract.TLDExtract) -> None:
        self._tenant = tenant
        self._marks = keys.vault.marks
        self._known = known_values_key(keys)
        self._vault = Vault(tenant, keys.vault)
        self._faces = FaceMaker(keys.tokens, keys.words, domains)

    async def plan(self, session: AsyncSession, wanted: Sequence[Wanted]) -> ErasurePlan:
        """What erasing would do. Opens every name of the tenant once: 200,000 take some seconds."""
        found = _Found()
        wanted = [_as_stored(one) for one in wanted]
        for one in wanted:
            await self._look_up(session, one.text, found)
        people = await self._people(session, found)
        # Of a name that is not held, no part is touched: it is somebody else's.
        decision = decide(found.names & set(people.values()), found.named, people)
        erased = {**dict.fromkeys(found.named, Why.NAMED), **decision.erased}
        entities = dict.fromkeys(decision.erased, "PERSON") | found.named
        stand = await find_occurrences(session, self._tenant, erased)
        typed = {one.text for one in wanted if not TOKEN.fullmatch(one.text)}
        values: set[Value] = {(text, None) for text in typed}
        values |= {
            # "Paris" the person's is no reason to forget the town.
            (found.originals[token], entities[token] if why is Why.PART else None)
            for token, why in erased.items()
            if token in found.originals
        }
        listed = await find_listed(session, self._tenant, values, self._known)
        named = {one for some in listed.values() for one in some if one.value in typed}
        found.listed = frozenset(one.value for one in named)
        missing, before = await self._unfound(session, wanted, found, people)
        originals = found.listed | {found.originals[token] for token in erased if token in found.originals}
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
            listed=listed,
            marks=self._all_marks(erased, entities, found).union(*map(self._marks_of_listed, named)),
            originals=frozenset(normalise("", original) for original in originals),
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

    def _marks_of_listed(self, one: ListedForms) -> frozenset[str]:
        return marks_of(self._marks, self._faces.token(one.entity, one.value), one.entity, one.value)

    async def _unfound(
        self, session: AsyncSession, wanted: Sequence[Wanted], found: _Found, people: Mapping[str, Parts]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Of what names no entry, the places of those never seen, and the receipts of those erased before."""
        held = frozenset(people.values())
        missing, before = list[str](), dict[str, str]()
        for one in wanted:
            if one.text in found.named or one.text in found.listed:
                continue
            if await self._vault.find(session, one.text, self._faces):
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


def _as_stored(one: Wanted) -> Wanted:
    """A token may be written in any case and without its brackets, which a shell would take for its own."""
    token = token_of(one.text)
    return one if token is None else Wanted(token.text, one.place)


def _may_share(original: str, parts: Parts) -> bool:
    """False only where it is plain that no part stands in the name: most names are told by this alone."""
    if not original.isascii():
        return True
    folded = original.casefold().replace("'", "")
    return any(part in folded for part in parts)


def _may_be_name(text: str) -> bool:
    return bool(name_parts(text)) and "@" not in text and not any(map(str.isdigit, text))
