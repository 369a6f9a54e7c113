"""The generator that cannot invent: the best supported sentences of the passages, verbatim and cited.

Support of a sentence is its similarity to the question joined with the share of the question's content words
that it, its heading and its passage hold. Neither alone separates answerable from unanswerable questions: the
embedder likes any sentence on the subject, words alone miss every paraphrase.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from rag.generation.protocol import GenerationRequest, Passage, SentenceSimilarity
from rag.generation.sentences import Kind, Sentence, split_sentences
from rag.generation.words import Content, asks_for_quantity, content_of, coverage, quantities_of

SENTENCES_SCORED_MAX = 64
"""Sentences compared by the embedder for one question; the ones that share most words come first."""
SENTENCES_ANSWERED_MAX = 2
"""The best two sentences hold the fact where the best one does not (facts: 20 of 20 against 16)."""
SECOND_RATIO = 0.80
"""The second sentence must be nearly as well supported as the first."""
SIMILARITY_WEIGHT, SENTENCE_WEIGHT, PASSAGE_WEIGHT = 0.55, 0.22, 0.33
"""On 400 questions of xquad_en with six passages each: separates answerable questions from those whose paragraph
was taken away with an area under the curve of .95, similarity alone .88. At a threshold of 0.50 it answers 85 %,
and 9 % (paragraph taken away) or 1 % (whole article) of what it should refuse."""
OFF_TOPIC = 0.85
"""Factor where a passage shares nothing with the question but the name asked about: it says something else of her."""
WITHOUT_QUANTITY = 0.8
"""Factor on the support of a sentence without any number where the question asks how much, how many or how long."""
SENTENCE_CHARS_MAX = 1200
"""A longer "sentence" is a block that could not be split; as an answer it would be a page."""

_SPACE = re.compile(r"\s+")
_LEANS_ON_PREVIOUS = re.compile(
    r"(?:it|its|he|his|she|her|they|their|this|these|those|that|such|both|however|therefore|thus|instead|then|also)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that could answer. `context` is what is read before it: its heading, or the question it answers."""

    passage: Passage
    position: int
    sentences: tuple[Sentence, ...] = field(repr=False)
    context: str = field(repr=False)
    shared: float = 0.0
    """Coverage of the question's content words by the sentence, joined with that by its passage."""
    on_topic: bool = True
    """False where the question names somebody or something, and this passage has no other word of it."""
    support: float = 0.0

    @property
    def text(self) -> str:
        return self.sentences[self.position].of(self.passage.text)


class ExtractiveGenerator:
    """Answers with sentences copied from the passages, or with nothing. Needs no model of its own.

    `similarity` serves requests that bring none of their own; `threshold` is the least support of an answer.
    """

    def __init__(self, similarity: SentenceSimilarity, threshold: float) -> None:
        self._similarity = similarity
        self._threshold = threshold

    @property
    def name(self) -> str:
        return "extractive"

    @property
    def verbatim(self) -> bool:
        return True

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        similarity = request.similarity or self._similarity
        chosen = await asyncio.to_thread(choose_sentences, request, similarity, self._threshold)
        for passage, text in chosen:
            yield f"{text} [{passage.number}]\n"

    async def close(self) -> None:
        return None


def choose_sentences(
    request: GenerationRequest, similarity: SentenceSimilarity, threshold: float
) -> list[tuple[Passage, str]]:
    """The sentences of the answer with their passages, in the order they are read; empty when none is supported."""
    scored = score_candidates(request, similarity)
    if not scored or scored[0].support < threshold:
        return []
    best = scored[0]
    chosen = [best]
    for other in scored[1:]:
        if len(chosen) == SENTENCES_ANSWERED_MAX:
            break
        if other.support >= max(threshold, SECOND_RATIO * best.support) and all(other.text != c.text for c in chosen):
            chosen.append(other)
    order = {passage: rank for rank, passage in enumerate(dict.fromkeys(c.passage.number for c in chosen))}
    chosen.sort(key=lambda c: (order[c.passage.number], c.position))
    said: dict[tuple[int, int], tuple[Passage, str]] = {}
    for candidate in chosen:
        for position in _with_neighbours(candidate, request.question):
            text = _SPACE.sub(" ", candidate.sentences[position].of(candidate.passage.text))
            said.setdefault((candidate.passage.number, position), (candidate.passage, text))
    return list(said.values())


def score_candidates(request: GenerationRequest, similarity: SentenceSimilarity) -> list[Candidate]:
    """All sentences that could answer with their support, best first; ties in reading order."""
    wanted = content_of(similarity.face(request.question))
    candidates = [c for passage in request.passages for c in _candidates(passage, wanted, similarity)]
    candidates.sort(key=lambda c: -c.shared)
    candidates = candidates[:SENTENCES_SCORED_MAX]
    if not candidates:
        return []
    cosines = similarity.score(request.question, [f"{c.context} {c.text}".strip() for c in candidates])
    scored = [
        replace(c, support=(SIMILARITY_WEIGHT * float(cosine) + c.shared) * (1.0 if c.on_topic else OFF_TOPIC))
        for c, cosine in zip(candidates, cosines, strict=True)
    ]
    if asks_for_quantity(request.question):
        asked = quantities_of(request.question)
        scored = [replace(c, support=c.support * _quantity_factor(c, asked)) for c in scored]
    scored.sort(key=lambda c: (-c.support, c.passage.number, c.position))
    return scored


def _candidates(passage: Passage, wanted: Content, similarity: SentenceSimilarity) -> list[Candidate]:
    sentences = tuple(split_sentences(passage.text))
    whole = content_of(similarity.face(f"{passage.title}\n{passage.text}"))
    around = coverage(wanted, whole)
    on_topic = not (wanted.plain and wanted.particular) or bool(wanted.plain & whole.words)
    found: list[Candidate] = []
    context = ""
    for position, sentence in enumerate(sentences):
        text = sentence.of(passage.text)
        if sentence.kind is Kind.HEADING or text.endswith("?"):
            # A question in a document is never its own answer, however similar; it introduces the next sentence.
            context = text
            continue
        if len(text) <= SENTENCE_CHARS_MAX:
            own = coverage(wanted, content_of(similarity.face(f"{context} {text}")))
            shared = SENTENCE_WEIGHT * own + PASSAGE_WEIGHT * around
            found.append(Candidate(passage, position, sentences, context, shared, on_topic))
        if sentence.kind is Kind.PROSE:
            context = ""
    return found


def _with_neighbours(candidate: Candidate, question: str) -> tuple[int, ...]:
    """The position itself, with the sentences beside it without which it does not answer.

    Before it, when it begins with a word that points there; after it, when the question asks for a quantity that
    only the next one gives.
    """
    position = candidate.position
    before = _LEANS_ON_PREVIOUS.match(candidate.text) and _adjoining(candidate, position - 1)
    after = asks_for_quantity(question) and _quantity_follows(candidate, quantities_of(question))
    return (*((position - 1,) if before else ()), position, *((position + 1,) if after else ()))


def _quantity_factor(candidate: Candidate, asked: frozenset[str]) -> float:
    """Less for a sentence that gives no quantity, neither itself nor right after, where one is asked for."""
    given = quantities_of(candidate.text) - asked or _quantity_follows(candidate, asked)
    return 1.0 if given else WITHOUT_QUANTITY


def _quantity_follows(candidate: Candidate, asked: frozenset[str]) -> bool:
    if quantities_of(candidate.text) - asked or not _adjoining(candidate, candidate.position + 1):
        return False
    following = candidate.sentences[candidate.position + 1].of(candidate.passage.text)
    return bool(quantities_of(following) - asked)


def _adjoining(candidate: Candidate, position: int) -> bool:
    """Whether there is a sentence of the same paragraph at `position`, right before or after the candidate."""
    if not 0 <= position < len(candidate.sentences):
        return False
    first, second = sorted((position, candidate.position))
    one, other = candidate.sentences[first], candidate.sentences[second]
    prose = one.kind is Kind.PROSE and other.kind is Kind.PROSE
    return prose and "\n\n" not in candidate.passage.text[one.end : other.start]
