"""Sentences of one generator against the passages it was given: which may leave, and as what."""

import asyncio
from dataclasses import dataclass, field

from rag.privacy.outgoing import Outgoing
from rag.query.account import Account
from rag.query.cite import Draft, verify, why_not
from rag.query.evidence import Evidence, Support
from rag.query.explained import Judgement, Verdict
from rag.query.found import Retrieval
from rag.query.marking import Gate, Marking
from rag.query.objections import Objection
from rag.query.parts import QueryParts
from rag.query.prompt import Given


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence that may leave, as the reading face. Without supports it may only be shown marked as unsupported."""

    text: str = field(repr=False)
    supports: tuple[Support, ...]


class Judge:
    """Judges the sentences of one answer in their order."""

    def __init__(
        self, parts: QueryParts, retrieval: Retrieval, given: tuple[Given, ...], account: Account | None = None
    ) -> None:
        self._scorer = parts.scorer
        self._settings = parts.settings.generator
        self._evidence = tuple(map(Evidence, given))
        self._flagged = tuple(one for one in self._evidence if one.given.passage.noticed)
        passages = (text for one in given for text in (one.passage.title, one.passage.text))
        self._outgoing = Outgoing(retrieval.privacy, [retrieval.question, *passages])
        self._marking = Marking(retrieval.question, given)
        self._said: set[str] = set()
        self._account = account

    async def judge(self, draft: Draft, *, verbatim: bool) -> Judged | None:
        """The sentence as it may leave; None where it may not."""
        written = draft.text
        if not verbatim:
            draft = await self._scanned(draft)
        await self._know_orders()
        if draft.text in self._said:
            self._note(draft, Verdict.REMOVED, Objection.REPEATED)
            return None
        supports = verify(draft, self._evidence, verbatim=verbatim)
        if supports and not verbatim:
            supports, objection = await self._confirmed(draft.text, supports)
        else:
            objection = None
        if supports:
            self._said.add(draft.text)
            self._note(draft, Verdict.SUPPORTED)
            return Judged(draft.text, supports)
        if objection is None and self._account is not None:
            objection = await asyncio.to_thread(why_not, draft, self._evidence, verbatim=verbatim)
        return self._unsupported(draft, written, objection, verbatim=verbatim)

    def _unsupported(self, draft: Draft, written: str, objection: Objection | None, *, verbatim: bool) -> Judged | None:
        # What a copying generator wrote and no passage has is no opinion of anybody's: it is a mistake.
        if verbatim or self._settings.unsupported == "remove":
            self._note(draft, Verdict.REMOVED, objection)
            return None
        gate = self._marking.gate(written, draft.text)
        if gate is not None:
            self._note(draft, Verdict.REMOVED, objection, gate)
            return None
        self._said.add(draft.text)
        self._note(draft, Verdict.MARKED, objection)
        return Judged(draft.text, ())

    async def _know_orders(self) -> None:
        """Which sentences of flagged passages speak to a model takes milliseconds a sentence: not in the loop."""
        flagged, self._flagged = self._flagged, ()
        if flagged:
            await asyncio.to_thread(lambda: [one.orders for one in flagged])

    async def _scanned(self, draft: Draft) -> Draft:
        """Personal data that a generator wrote by itself becomes tokens, which no passage then supports."""
        if self._outgoing.copied(draft.text):
            return Draft(self._outgoing.scan(draft.text), draft.hints)
        return Draft(await asyncio.to_thread(self._outgoing.scan, draft.text), draft.hints)

    async def _confirmed(
        self, text: str, supports: tuple[Support, ...]
    ) -> tuple[tuple[Support, ...], Objection | None]:
        """Those supports that the support model lets pass as well."""
        scores = await self._scorer.score(text, [support.quote for support in supports])
        # Compared so that a score that is no number rejects.
        threshold = self._settings.support_threshold
        kept = tuple(one for one, score in zip(supports, scores, strict=True) if score >= threshold)
        return kept, None if kept else Objection.SCORE

    def _note(
        self, draft: Draft, verdict: Verdict, objection: Objection | None = None, gate: Gate | None = None
    ) -> None:
        if self._account is not None:
            self._account.judged(Judgement(draft.text, verdict, objection, gate))
