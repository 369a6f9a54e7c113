"""One answer in the making: claims verified, decided again, recorded and unmasked, each before it leaves."""

import asyncio
import secrets
from dataclasses import dataclass, field

from policies.rules import Level
from rag.domain import Answer, Citation, Claim, Principal, Span
from rag.errors import RingfenceError
from rag.generation.protocol import Generator
from rag.query.account import Account
from rag.query.cite import Draft
from rag.query.clock import StageClock
from rag.query.decide import Standing, still_readable, still_unmaskable
from rag.query.evidence import Support
from rag.query.explanation import explain
from rag.query.found import Retrieval
from rag.query.guard import inert
from rag.query.judge import Judge
from rag.query.marking import UNSUPPORTED_MARK
from rag.query.parts import QueryParts
from rag.query.prompt import Given
from rag.query.record import Recorder
from rag.query.reveal import reveal, shown_chunks
from rag.telemetry.names import RESPONSE_ID, RESPONSE_MODEL, chat

NOT_FOUND_TEXT = "I did not find an answer to this in the documents you may read."
"""The same words whether nothing answers, nothing may be read, or nothing exists: it must not tell which."""


@dataclass(frozen=True, slots=True)
class Started:
    """The first claim is about to leave, or the answer is that there is none: nothing was refused so far."""

    id: str
    epoch: int
    model: str


@dataclass(frozen=True, slots=True)
class ClaimReady:
    """A verified claim. `text` is its part of the answer's text, markers and separating space included.

    `citations` are those that stand here for the first time.
    """

    claim: Claim
    citations: tuple[Citation, ...]
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer: its text is that of all claims before it, or says that nothing was found."""

    answer: Answer


class Work:
    """One answer in the making: what has been claimed, cited and recorded so far."""

    def __init__(
        self,
        principal: Principal,
        parts: QueryParts,
        retrieval: Retrieval,
        given: tuple[Given, ...],
        clock: StageClock,
        account: Account | None = None,
    ) -> None:
        self.claims: list[Claim] = []
        self._id = f"ans_{secrets.token_hex(16)}"
        self._principal = principal
        self._parts = parts
        self._retrieval = retrieval
        self._account = account
        self._judge = Judge(parts, retrieval, given, account)
        self._used = [one.source for one in given]
        self._clock = clock
        self._standing = Standing(retrieval.snapshot, {c.chunk.id: c.attributes for c in self._used})
        self._recorder = Recorder(parts, principal, retrieval, self._id)
        self._citations: dict[tuple[str, Span], Citation] = {}
        self._pieces: list[str] = []
        self._waiting: list[str] = []
        self._rights: set[tuple[str, str]] = set()
        self._generator: Generator = parts.generator
        self._model = parts.generator.name
        self._closed = False
        clock.count("prompt", sources=len(given))
        clock.count("verify", claims=0, removed=0)
        clock.tell("generate", chat(self._model))
        self._asked = [retrieval.question, *(one.passage.text for one in given)] if clock.traced else []

    def use(self, generator: Generator, model: str) -> None:
        self._generator, self._model = generator, model

    async def count_input(self) -> None:
        """For a trace: tokens of what the generator is given, in the vocabulary of the embedder. Takes milliseconds."""
        if self._asked:
            count = self._parts.embedder.count_tokens
            tokens = await asyncio.to_thread(lambda: sum(map(count, self._asked)))
            self._clock.count("generate", input_tokens=tokens)

    def written(self, draft: Draft) -> int:
        """Count what the generator wrote, in tokens of the embedder's vocabulary."""
        tokens = self._parts.embedder.count_tokens(draft.text)
        self._parts.metrics.generated_tokens.inc(tokens)
        self._clock.count("generate", output_tokens=tokens)
        return tokens

    def started(self) -> Started:
        if self.claims:
            self._parts.metrics.first_claim.observe(self._clock.first_claim())
        return Started(self._id, self._standing.snapshot.epoch, self._model)

    async def claim(self, draft: Draft) -> tuple[ClaimReady, ...]:
        """Verify, decide again, record, unmask: the claims that may leave now, mostly one, or none.

        An unsupported one that may be shown waits for the first supported one: alone it is no answer.
        """
        with self._clock.stage("verify"):
            judged = await self._judge.judge(draft, verbatim=self._generator.verbatim)
        if judged is None:
            self._removed(1)
            return ()
        if not judged.supports and not self.claims:
            self._waiting.append(judged.text)
            return ()
        await self._decide_again()
        with self._clock.stage("record"):
            await self._recorder.asked(self._model, self._used)
        if not judged.supports:
            return (self._unsupported(judged.text),)
        self._parts.metrics.claims_verified.inc()
        self._clock.count("verify", claims=1)
        before = tuple(map(self._unsupported, self._waiting))
        self._waiting.clear()
        return (*before, await self._unmasked(judged.text, judged.supports))

    async def finish(self) -> Finished:
        """Decide again and record; only then is there an answer."""
        found = bool(self.claims)
        self._removed(len(self._waiting))
        if self._account is not None:
            await self._explain(self._account, found=found)
        await self._decide_again()
        citations = tuple(self._citations.values())
        text = "".join(self._pieces) if found else NOT_FOUND_TEXT
        level = max((citation.level for citation in citations), default=Level.PUBLIC)
        with self._clock.stage("record"):
            await self._recorder.asked(self._model, self._used)
        self._clock.count("verify", citations=len(citations))
        self._clock.tell("generate", {RESPONSE_MODEL: self._model})
        self._clock.tell("answer", {RESPONSE_ID: self._id, "ringfence.found": found})
        finished = Answer(
            id=self._id,
            found=found,
            claims=tuple(self.claims),
            citations=citations,
            text=text,
            level=level,
            epoch=self._standing.snapshot.epoch,
            model=self._model,
            timings=self._clock.timings(),
            guard=self._retrieval.guard,
        )
        with self._clock.stage("record"):
            await self._recorder.answered(finished)
        self._closed = True
        self._parts.metrics.finished(finished.timings)
        return Finished(finished)

    async def stopped(self, cause: BaseException) -> None:
        """Record an answer that was begun and will not be finished."""
        if self._recorder.opened and not self._closed:
            code = cause.code if isinstance(cause, RingfenceError) else type(cause).__name__
            await self._recorder.stopped(code)

    async def _explain(self, account: Account, *, found: bool) -> None:
        """Recorded before the explanation can be read."""
        with self._clock.stage("explain"):
            explanation = await explain(account, self._retrieval, self._principal, self._parts, found=found)
            await self._recorder.explained(account.reader)
        account.explanation = explanation

    def _removed(self, claims: int) -> None:
        if claims:
            self._parts.metrics.claims_removed.inc(claims)
            self._clock.count("verify", removed=claims)

    def _unsupported(self, text: str) -> ClaimReady:
        """A claim without citations: nothing is unmasked for it, and no level rests on it."""
        claim = Claim(text, ())
        self._parts.metrics.claims_marked.inc()
        self._clock.count("verify", unsupported=1)
        return self._ready(claim, f"{text} {UNSUPPORTED_MARK}", ())

    async def _decide_again(self) -> None:
        with self._clock.stage("check"):
            before = self._standing
            self._standing = await still_readable(self._parts, self._principal, self._retrieval.snapshot, self._used)
            if self._standing != before:
                await still_unmaskable(self._parts, self._principal, self._standing, self._rights)

    async def _unmasked(self, text: str, supports: tuple[Support, ...]) -> ClaimReady:
        with self._clock.stage("unmask"):
            sources = list({s.source.chunk.id: s.source for s in supports}.values())
            shown = shown_chunks(sources, self._standing)
            quotes = [part for s in supports for part in (s.quote, s.source.title)]
            revealed = await reveal(
                [text, *quotes], shown, self._principal, self._standing, self._retrieval.privacy, self._parts
            )
            self._rights |= revealed.rights
        with self._clock.stage("record"):
            for document, tokens in sorted(revealed.by_document.items()):
                await self._recorder.unmasked(tokens, document)
        known = [*(one.text for one in shown), *revealed.originals.values()]
        fresh = [s for s in supports if (s.source.chunk.id, s.span) not in self._citations]
        for support in fresh:
            self._cite(support, revealed.apply(support.quote), inert(revealed.apply(support.source.title), known))
        cited = [self._citations[s.source.chunk.id, s.span] for s in supports]
        claim = Claim(inert(revealed.apply(text), known), tuple(c.number for c in cited))
        marked = claim.text + " " + "".join(f"[{c.number}]" for c in cited)
        return self._ready(claim, marked, tuple(self._citations[s.source.chunk.id, s.span] for s in fresh))

    def _ready(self, claim: Claim, marked: str, citations: tuple[Citation, ...]) -> ClaimReady:
        """The claim as the next one of the answer; `marked` is its text with its citations' numbers, or its mark."""
        piece = marked if not self.claims else f" {marked}"
        self.claims.append(claim)
        self._pieces.append(piece)
        return ClaimReady(claim, citations, piece)

    def _cite(self, support: Support, quote: str, title: str) -> None:
        chunk = support.source.chunk
        self._citations[chunk.id, support.span] = Citation(
            number=len(self._citations) + 1,
            document=chunk.document,
            version=chunk.version,
            chunk=chunk.id,
            title=title,
            page=chunk.page,
            span=support.span,
            quote=quote,
            level=self._standing.attributes[chunk.id].level,
        )
