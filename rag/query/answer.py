"""THE path of a question. Read `ask` and you know the product.

guard -> mask -> plan -> search -> check -> rerank -> prompt -> generate -> verify -> unmask -> record -> answer
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from rag.domain import Answer, Principal
from rag.errors import GeneratorUnavailable
from rag.generation.marks import mark_of
from rag.generation.messages import load_prompts
from rag.generation.protocol import GenerationRequest, Generator, Passage, SentenceSimilarity
from rag.query.access_class import access_class
from rag.query.budget import metered
from rag.query.cite import Draft, DraftReader
from rag.query.clock import StageClock
from rag.query.found import Retrieval
from rag.query.neighbours import with_neighbours
from rag.query.parts import DEFAULTS, Options, QueryParts
from rag.query.prompt import Given, give
from rag.query.retrieve import retrieve
from rag.query.similarity import tenant_similarity
from rag.query.work import NOT_FOUND_TEXT, ClaimReady, Finished, Started, Work

_log = logging.getLogger(__name__)

__all__ = ["NOT_FOUND_TEXT", "ClaimReady", "Event", "Finished", "Started", "answer", "ask"]

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
    with StageClock(parts.tracing, "answer") as clock:
        limit = min(options.limit or parts.settings.service.passages, parts.settings.service.passages)
        retrieval = await retrieve(question, principal, parts, limit, clock, options.account)
        retrieval = await with_neighbours(retrieval, principal, parts, clock)
        with clock.stage("prompt"):
            context_chars = parts.settings.generator.context_chars
            given = give(retrieval.chunks, context_chars, retrieval.flagged, retrieval.neighbours)
            request = await _request(retrieval, given, parts, options)
        if options.account is not None:
            options.account.gave(given)
        count = parts.embedder.count_tokens
        sources = [one.source for one in given]
        async with metered(parts, principal, sources, count(question), request.max_tokens) as meter:
            work, begun = Work(principal, parts, retrieval, given, clock, options.account), False
            try:
                await work.count_input()
                async with aclosing(_drafts(request, retrieval, parts, work)) as drafts:
                    while (draft := await clock.timed("generate", anext(drafts, None))) is not None:
                        meter.add(work.written(draft))
                        for ready in await work.claim(draft):
                            if not begun:
                                yield work.started()
                            begun = True
                            yield ready
                finished = await work.finish()
                if not begun:
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
    return GenerationRequest(
        question=retrieval.question,
        passages=passages,
        max_tokens=min(options.max_tokens or settings.max_tokens, settings.max_tokens),
        temperature=min(max(options.temperature or 0.0, 0.0), 2.0),
        # Readers of different rights must not learn from a prefix cache's timing what the others were given.
        cache_salt=retrieval.privacy.digest("cache salt", access_class(retrieval.plan)).hex(),
        mark=mark_of(retrieval.privacy.digest("data mark", load_prompts().version)),
        similarity=await _similarity(retrieval, passages, parts) if parts.generator.verbatim else None,
    )


async def _similarity(retrieval: Retrieval, passages: tuple[Passage, ...], parts: QueryParts) -> SentenceSimilarity:
    """For generators that copy. It opens originals, so it is not made for one that may never be asked."""
    texts = [retrieval.question, *(text for p in passages for text in (p.title, p.text))]
    return await tenant_similarity(retrieval.privacy, texts, parts)


async def _drafts(
    request: GenerationRequest, retrieval: Retrieval, parts: QueryParts, work: Work
) -> AsyncGenerator[Draft, None]:
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
        copying = replace(request, similarity=await _similarity(retrieval, request.passages, parts))
        async with aclosing(_sentences(parts.fallback, copying)) as drafts:
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
