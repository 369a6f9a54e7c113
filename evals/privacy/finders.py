"""The finders that are compared, all asked the same: which characters of these texts are to be masked?"""

from collections.abc import Callable, Collection, Sequence

from evals.privacy.plain import PlainPresidio
from evals.privacy.scoring import Span, merged
from rag.privacy.findings import KnownValues
from rag.privacy.propagate import propagate
from rag.privacy.recognize import Recognizer

Finder = Callable[[Sequence[str]], list[tuple[Span, ...]]]


def plain_finder(presidio: PlainPresidio) -> Finder:
    """Presidio as it comes."""
    return lambda texts: [presidio.spans(text) for text in texts]


def our_finder(recognizer: Recognizer, leave: Collection[str] = (), known: KnownValues | None = None) -> Finder:
    """Ours, each text a document of its own. `leave`: the kinds not to be masked; none, unless said."""

    def find(texts: Sequence[str]) -> list[tuple[Span, ...]]:
        found = recognizer.find(texts, known, leave)
        spread = (
            propagate([text], [findings], recognizer.lexicon)[0] for text, findings in zip(texts, found, strict=True)
        )
        return [merged((finding.start, finding.end) for finding in findings) for findings in spread]

    return find
