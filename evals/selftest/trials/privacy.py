"""Recognizers that find nothing or everything, streams that are not scanned, names that are lost, rights not asked."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from evals.leak.world import DEMO
from evals.oracle import Oracle
from evals.privacy import finding, search, unmask
from evals.privacy.finders import Finder
from evals.selftest.trial import Fault, Trial
from evals.selftest.trials.leaks import GIVEN_TO_ALL, GIVEN_TO_NOBODY, given_to_all, given_to_nobody
from rag.privacy.outgoing import Outgoing
from rag.query import unmasking
from rag.query.cite import Draft, DraftReader

GOALS = ("finding.accurate.*.precision", "finding.accurate.*.official_f2", "finding.accurate.*.recall_by_kind.*")
"""Of whole sets: some of their texts are harder than others."""


def _finds(spans_of: str) -> AbstractContextManager[object]:
    """Our finders take `nothing` for personal data, or `everything`."""

    def made(*_: object, **__: object) -> Finder:
        if spans_of == "nothing":
            return lambda texts: [() for _ in texts]
        return lambda texts: [((0, len(text)),) for text in texts]

    return patch.object(finding, "our_finder", made)


def _unscanned() -> AbstractContextManager[object]:
    """What is streamed leaves as it was written."""
    return patch.object(Outgoing, "scan", lambda self, sentence: sentence)


@contextmanager
def _held_back() -> Iterator[None]:
    """Nothing leaves before the text is complete."""
    held: dict[int, list[Draft]] = {}
    feed, finish = DraftReader.feed, DraftReader.finish

    def fed(self: DraftReader, piece: str) -> list[Draft]:
        held.setdefault(id(self), []).extend(feed(self, piece))
        return []

    def finished(self: DraftReader) -> list[Draft]:
        return held.pop(id(self), []) + finish(self)

    with patch.object(DraftReader, "feed", fed), patch.object(DraftReader, "finish", finished):
        yield


def _unknown_faces() -> AbstractContextManager[object]:
    """A question is masked without the names in it: they are left out."""
    return patch.object(search.Known, "face_of", lambda self, asked: "What does the note say?")


@contextmanager
def _giving(as_if: object) -> Iterator[None]:
    """The decision about values, replaced where somebody asks for them by their tokens."""
    with ExitStack() as stack:
        for room in (unmask, unmasking):
            stack.enter_context(patch.object(room, "permitted", as_if))
        yield


PRIVACY = Trial(
    "privacy",
    options={"speed": False, "limit": 16},
    sets=("presidio_research", "wikigold"),
    beyond=GOALS,
    faults=(
        Fault("the recognizer finds nothing", partial(_finds, "nothing"), ("finding.accurate.*.leak_recall",)),
        Fault(
            "the recognizer masks everything",
            partial(_finds, "everything"),
            worse={"finding.accurate.generated_large.precision": 0.3},
        ),
    ),
)
OUTGOING = Trial(
    "privacy-outgoing",
    options={"texts": 52},
    sets=("presidio_research",),
    faults=(
        Fault("a stream is not scanned", _unscanned, ("recall_stream",)),
        Fault("a stream is held back to its end", _held_back, ("hold_chars_mean",)),
    ),
)
SEARCH = Trial(
    "privacy-search",
    options={"notes": 56, "questions": 56},
    narrowed=lambda: patch.object(search, "FORMS", ("full name", "surname")),
    faults=(
        Fault(
            "questions lose the names in them",
            _unknown_faces,
            ("*hit_at_5_worst_ratio", "*kinds_below_unmasked"),
        ),
    ),
)
UNMASK = Trial(
    "privacy-unmask",
    options={"cases": 500},
    company=True,
    narrowed=lambda: patch.object(Oracle, "people", property(lambda self: DEMO)),
    faults=(
        Fault(GIVEN_TO_ALL, partial(_giving, given_to_all), ("*_over_grants",)),
        Fault(GIVEN_TO_NOBODY, partial(_giving, given_to_nobody), ("*_under_grants", "*_values_given")),
    ),
)
