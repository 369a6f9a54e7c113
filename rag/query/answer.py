"""THE path of a question. Read `ask` and you know the product.

guard -> mask -> plan -> search -> check -> rerank -> prompt -> generate -> verify -> unmask -> record -> answer
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from policies.rules import Level
from rag.domain import Answer, Citation, Claim, Principal, Span
from rag.errors import GeneratorUnavailable, RingfenceError
from rag.generation.protocol import GenerationRequest, Generator
from rag.privacy.outgoing import Outgoing
from rag.query.access_class import access_class
from rag.query.budget import metered
from rag.query.cite import Draft, DraftReader, verify
from rag.query.clock import StageClock
from rag.query.decide import Standing, still_readable, still_unmaskable
from rag.query.evidence import Evidence, Support
from rag.query.found import Retrieval
from rag.query.guard import inert
from rag.query.parts import DEFAULTS, Options, QueryParts
from rag.query.prompt import Given, give
from rag.query.record import Recorder
from rag.query.retrieve import retrieve
from rag.query.reveal import reveal, shown_chunks
from rag.query.similarity import tenant_similarity

_log = logging.getLogger(__name__)

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


Event = Started | ClaimReady | Finished


async def answer(question: str, principal: Principal, parts: QueryParts, options: Options = DEFAULTS) -> Answer:
    """The answer in one piece. Raises what `ask` raises; then nothing is returned."""
    async with aclosing(ask(question, principal, parts, options)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event.answer
    raise RuntimeError("the path of a question ended without an answer")


async def ask(
    question: str, principal: Principal, parts: QueryParts, options: Options = DEFAULTS
) -> AsyncGenerator[Event, None]:
    """Answer one question for one principal; closing the iterator stops the work behind it.

    Each claim is verified against chunks that the principal may read when it leaves: epoch and labels are read
    again before each one, and before the answer is closed.

    Raises:
        Misuse: the question cannot be taken.
        Limited: a budget of the day does not suffice.
        PolicyUnreadable, IndexUnavailable, GeneratorUnavailable, AuditUnavailable: a part did not answer.
        PolicyChanged: what the answer rests on may no longer be read; it ends here, unfinished.
    """
    clock = StageClock()
    limit = min(options.limit or parts.settings.service.passages, parts.settings.service.passages)
    retrieval = await retrieve(question, principal, parts, limit, clock)
    with clock.stage("prompt"):
        given = give(retrieval.chunks, parts.settings.generator.context_chars)
        request = await _request(retrieval, given, parts, options)
    count = parts.embedder.count_tokens
    sources = [one.source for one in given]
    async with metered(parts, principal, sources, count(question), request.max_tokens) as meter:
        work = _Work(principal, parts, retrieval, given, clock)
        try:
            async with aclosing(_drafts(request, parts, work)) as drafts:
                while (draft := await clock.timed("generate", anext(drafts, None))) is not None:
                    meter.add(count(draft.text))
                    ready = await work.claim(draft)
                    if ready is None:
                        continue
                    if len(work.claims) == 1:
                        yield work.started()
                    yield ready
            finished = await work.finish()
            if not work.claims:
                yield work.started()
        except BaseException as cause:
            await work.stopped(cause)
            raise
    yield finished


async def _request(
    retrieval: Retrieval, given: tuple[Given, ...], parts: QueryParts, options: Options
) -> GenerationRequest:
    settings = parts.settings.generator
    passages = tuple(one.passage for one in given)
    similarity = None
    if parts.generator.verbatim or parts.fallback is not None:
        texts = [retrieval.question, *(text for p in passages for text in (p.title, p.text))]
        similarity = await tenant_similarity(retrieval.privacy, texts, parts)
    return GenerationRequest(
        question=retrieval.question,
        passages=passages,
        max_tokens=min(options.max_tokens or settings.max_tokens, settings.max_tokens),
        temperature=min(max(options.temperature or 0.0, 0.0), 2.0),
        # Readers of different rights must not learn from a prefix cache's timing what the others were given.
        cache_salt=retrieval.privacy.digest("cache salt", access_class(retrieval.plan)).hex(),
        similarity=similarity,
    )


async def _drafts(request: GenerationRequest, parts: QueryParts, work: "_Work") -> AsyncGenerator[Draft, None]:
    """The generator's sentences as they are completed; by the fallback if it gave none and is unavailable."""
    if not request.passages:
        return
    begun = False
    try:
        async with aclosing(_sentences(parts.generator, request)) as drafts:
            async for draft in drafts:
                begun = True
                yield draft
    except GeneratorUnavailable as cause:
        if begun or parts.fallback is None:
            raise
        _log.warning("generator_unavailable fallback=%s cause=%s", parts.fallback.name, cause.message)
        parts.metrics.fallbacks.inc()
        work.use(parts.fallback, f"fallback:{parts.fallback.name}")
        async with aclosing(_sentences(parts.fallback, request)) as drafts:
            async for draft in drafts:
                yield draft


async def _sentences(generator: Generator, request: GenerationRequest) -> AsyncGenerator[Draft, None]:
    reader = DraftReader(verbatim=generator.verbatim)
    async with aclosing(generator.generate(request)) as pieces:
        async for piece in pieces:
            for draft in reader.feed(piece):
                yield draft
    for draft in reader.finish():
        yield draft


class _Work:
    """One answer in the making: what has been claimed, cited and recorded so far."""

    def __init__(
        self,
        principal: Principal,
        parts: QueryParts,
        retrieval: Retrieval,
        given: tuple[Given, ...],
        clock: StageClock,
    ) -> None:
        self.claims: list[Claim] = []
        self._id = f"ans_{secrets.token_hex(16)}"
        self._principal = principal
        self._parts = parts
        self._retrieval = retrieval
        self._evidence = tuple(map(Evidence, given))
        self._used = [one.source for one in given]
        passages = (text for one in given for text in (one.passage.title, one.passage.text))
        self._outgoing = Outgoing(retrieval.privacy, [retrieval.question, *passages])
        self._clock = clock
        self._standing = Standing(retrieval.snapshot, {c.chunk.id: c.attributes for c in self._used})
        self._recorder = Recorder(parts, principal, retrieval, self._id)
        self._citations: dict[tuple[str, Span], Citation] = {}
        self._pieces: list[str] = []
        self._said: set[str] = set()
        self._rights: set[tuple[str, str]] = set()
        self._generator: Generator = parts.generator
        self._model = parts.generator.name
        self._closed = False

    def use(self, generator: Generator, model: str) -> None:
        self._generator, self._model = generator, model

    def started(self) -> Started:
        return Started(self._id, self._standing.snapshot.epoch, self._model)

    async def claim(self, draft: Draft) -> ClaimReady | None:
        """Verify, decide again, record, unmask: the claim as it may leave, or None when nothing supports it."""
        with self._clock.stage("verify"):
            if not self._generator.verbatim:
                draft = await self._scanned(draft)
            supports = verify(draft, self._evidence, verbatim=self._generator.verbatim)
        if not supports or draft.text in self._said:
            self._parts.metrics.claims_removed.inc()
            return None
        self._said.add(draft.text)
        await self._decide_again()
        with self._clock.stage("record"):
            await self._recorder.asked(self._model, self._used)
        return await self._unmasked(draft.text, supports)

    async def finish(self) -> Finished:
        """Decide again and record; only then is there an answer."""
        await self._decide_again()
        found = bool(self.claims)
        citations = tuple(self._citations.values())
        text = "".join(self._pieces) if found else NOT_FOUND_TEXT
        level = max((citation.level for citation in citations), default=Level.PUBLIC)
        with self._clock.stage("record"):
            await self._recorder.asked(self._model, self._used)
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
        )
        with self._clock.stage("record"):
            await self._recorder.answered(finished)
        self._closed = True
        return Finished(finished)

    async def stopped(self, cause: BaseException) -> None:
        """Record an answer that was begun and will not be finished."""
        if self._recorder.opened and not self._closed:
            code = cause.code if isinstance(cause, RingfenceError) else type(cause).__name__
            await self._recorder.stopped(code)

    async def _scanned(self, draft: Draft) -> Draft:
        """Personal data that a generator wrote by itself becomes tokens, which no passage then supports."""
        return Draft(await asyncio.to_thread(self._outgoing.scan, draft.text), draft.hints)

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
        self.claims.append(claim)
        piece = ("" if len(self.claims) == 1 else " ") + claim.text + " " + "".join(f"[{c.number}]" for c in cited)
        self._pieces.append(piece)
        return ClaimReady(claim, tuple(self._citations[s.source.chunk.id, s.span] for s in fresh), piece)

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
