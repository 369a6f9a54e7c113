"""`ringfence eval abstention`: when should the extractive generator say "not found"?

Two sets. xquad_en: each question once with its paragraph among the passages and once with its whole article taken
away. The sample company: each question for each person of the demo, through real retrieval, answerable or not as
the oracle says. For every threshold: how many answerable questions are answered, how many rightly, and how many
unanswerable ones are answered all the same. Choosing the default is left to people.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evals.leak.world import DEMO, World
from evals.questions import TENANT, Question
from evals.runner.report import Report
from evals.runner.values import Json
from rag.domain import Principal, PrincipalSource
from rag.embedding.protocol import Embedder
from rag.errors import Misuse
from rag.generation.extractive import choose_sentences, score_candidates
from rag.generation.protocol import GenerationRequest, Passage, SentenceSimilarity
from rag.query.clock import StageClock
from rag.query.parts import QueryParts
from rag.query.prompt import give
from rag.query.retrieve import retrieve
from rag.query.similarity import EmbedderSimilarity, tenant_similarity

THRESHOLDS = tuple(round(0.20 + 0.02 * step, 2) for step in range(36))
PASSAGES = 6

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One question to one set of passages. `right` is whether the answer without any threshold holds the fact."""

    set: str
    answerable: bool
    support: float
    right: bool


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of xquad with its questions as (question, accepted answers)."""

    article: int
    text: str = field(repr=False)
    questions: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)


def read_xquad(data: Path) -> tuple[Paragraph, ...]:
    """All paragraphs of `data`/xquad_en.

    Raises:
        Misuse: the file is not there.
    """
    path = data / "xquad_en" / "xquad.en.json"
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    except OSError as cause:
        raise Misuse(
            f"{path} cannot be read ({cause.strerror}). Name the folder of the data sets with --data or "
            "RINGFENCE_EVAL_DATA.",
            code="data_missing",
        ) from cause
    return tuple(
        Paragraph(
            number,
            paragraph["context"],
            tuple((qa["question"], tuple(a["text"] for a in qa["answers"])) for qa in paragraph["qas"]),
        )
        for number, article in enumerate(articles)
        for paragraph in article["paragraphs"]
    )


def xquad_cases(
    paragraphs: Sequence[Paragraph], embedder: Embedder, limit: int | None, progress: Progress
) -> list[Case]:
    """Two cases for each of the first `limit` questions, taken from all articles in turn."""
    vectors = embedder.embed_passages([beginning(p.text, embedder) for p in paragraphs])
    similarity = EmbedderSimilarity(embedder, lambda text: text)
    cases: list[Case] = []
    questions = _in_turn(paragraphs)[:limit]
    for number, (home, question, accepted) in enumerate(questions, start=1):
        order = [int(at) for at in np.argsort(-(vectors @ embedder.embed_query(question)), kind="stable")]
        away = [at for at in order if paragraphs[at].article != paragraphs[home].article][:PASSAGES]
        near = order[:PASSAGES]
        with_home = near if home in near else [*near[:-1], home]
        for answerable, chosen in ((True, with_home), (False, away)):
            passages = tuple(Passage(n, "", paragraphs[at].text) for n, at in enumerate(chosen, start=1))
            cases.append(_case("xquad", question, passages, similarity, accepted if answerable else ()))
        if number % 20 == 0 or number == len(questions):
            progress(f"xquad {number}/{len(questions)}")
    return cases


def _in_turn(paragraphs: Sequence[Paragraph]) -> list[tuple[int, str, tuple[str, ...]]]:
    """(paragraph, question, answers): the first question of every paragraph, then the second of every, and so on."""
    most = max(len(p.questions) for p in paragraphs)
    return [
        (at, *paragraph.questions[turn])
        for turn in range(most)
        for at, paragraph in enumerate(paragraphs)
        if turn < len(paragraph.questions)
    ]


def beginning(text: str, embedder: Embedder) -> str:
    """As much of `text` as the embedder reads."""
    while embedder.count_tokens(text) > embedder.tokens_max:
        text = text[: len(text) * 9 // 10]
    return text


async def company_cases(parts: QueryParts, world: World, progress: Progress) -> list[Case]:
    """Every question for every person of the demo, with what retrieval really gives her."""
    cases: list[Case] = []
    for person in DEMO:
        principal = Principal(TENANT, person, frozenset(), None, PrincipalSource.OPERATOR)
        facts = {question.id: facts_for(question, person, world) for question in world.questions}
        for number, question in enumerate(world.questions, start=1):
            if any(answer.entity for answer in question.answers):
                continue  # The fact is a token: whether the sentence is the right one cannot be told by its text.
            retrieval = await retrieve(question.text, principal, parts, parts.settings.service.passages, StageClock())
            given = give(retrieval.chunks, parts.settings.generator.context_chars)
            passages = tuple(one.passage for one in given)
            texts = [retrieval.question, *(text for p in passages for text in (p.title, p.text))]
            similarity = await tenant_similarity(retrieval.privacy, texts, parts)
            cases.append(_case("company", retrieval.question, passages, similarity, facts[question.id]))
            if number % 20 == 0:
                progress(f"{person} {number}/{len(world.questions)}")
    return cases


def facts_for(question: Question, person: str, world: World) -> tuple[str, ...]:
    """The facts that are right for `person`: those that stand in sections she may read. Empty: not found is right."""
    readable = world.readable((person,))
    levels = {(s.path, s.labels.level): s.name in readable for s in world.sections}
    return tuple(
        answer.fact
        for answer in question.answers
        if answer.fact is not None and levels.get((answer.document, world.level_of(answer)), False)
    )


def _case(
    name: str, question: str, passages: tuple[Passage, ...], similarity: SentenceSimilarity, facts: Iterable[str]
) -> Case:
    request = GenerationRequest(question, passages, 512, 0.0, "", similarity=similarity)
    accepted = [" ".join(fact.split()).lower() for fact in facts]
    scored = score_candidates(request, similarity)
    chosen = " ".join(text for _, text in choose_sentences(request, similarity, -1.0)).lower()
    support = scored[0].support if scored else 0.0
    return Case(name, bool(accepted), support, any(fact in chosen for fact in accepted))


def curve(cases: Sequence[Case]) -> list[dict[str, Json]]:
    """One row for each threshold."""
    answerable = [case for case in cases if case.answerable]
    others = [case for case in cases if not case.answerable]
    return [
        {
            "threshold": threshold,
            "answered_ratio": _ratio(sum(c.support >= threshold for c in answerable), len(answerable)),
            "right_ratio": _ratio(sum(c.support >= threshold and c.right for c in answerable), len(answerable)),
            "false_answer_ratio": _ratio(sum(c.support >= threshold for c in others), len(others)),
        }
        for threshold in THRESHOLDS
    ]


def balanced(cases: Sequence[Case]) -> float:
    """The threshold with the most right answers less false ones, each as a ratio; the highest of equals."""
    rows = curve(cases)
    best = max(
        rows, key=lambda row: (_number(row["right_ratio"]) - _number(row["false_answer_ratio"]), row["threshold"])
    )
    return _number(best["threshold"])


def auc(cases: Sequence[Case]) -> float:
    """How often an answerable case has more support than an unanswerable one: .5 is chance, 1 is perfect."""
    yes = np.array([case.support for case in cases if case.answerable])
    no = np.array([case.support for case in cases if not case.answerable])
    if not yes.size or not no.size:
        return 0.5
    difference = yes[:, None] - no[None, :]
    return round(float((difference > 0).mean() + 0.5 * (difference == 0).mean()), 4)


def report_of(cases: Sequence[Case], configured: float, arguments: dict[str, Json]) -> Report:
    """Figures for each set and both together."""
    sets = sorted({case.set for case in cases})
    figures: dict[str, Json] = {"configured_threshold": configured}
    smallest = len(cases)
    for name in sets:
        own = [case for case in cases if case.set == name]
        figures[name] = {
            "cases": len(own),
            "answerable": sum(case.answerable for case in own),
            "auc": auc(own),
            "balanced_threshold": balanced(own),
            "curve": list(curve(own)),
        }
    smallest = min(
        (min(sum(c.answerable for c in s), sum(not c.answerable for c in s)) for s in _by_set(cases)), default=0
    )
    return Report("abstention", {**figures, "cases_of_each_kind": smallest}, (), arguments)


def _by_set(cases: Sequence[Case]) -> list[list[Case]]:
    return [[case for case in cases if case.set == name] for name in sorted({case.set for case in cases})]


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _number(value: Json) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
