"""The evals of the product, in the order of worth. What tries them out, too, is in `evals.runner.registry`."""

from collections.abc import Sequence

from evals.entries import access, answers, ingestion, privacy
from evals.runner.entry import Eval

FIRST: tuple[Eval, ...] = (
    access.leak,
    access.access,
    privacy.privacy_unmask,
    access.injection,
    access.redteam,
    answers.answers,
    privacy.privacy,
    answers.grounding,
    answers.retrieval,
    privacy.privacy_outgoing,
    answers.abstention,
)
LATER: tuple[Eval, ...] = (
    answers.drift,
    privacy.privacy_search,
    access.fuzz,
    access.soak,
    ingestion.ingest,
    answers.serve,
    answers.tuning,
    answers.prefixes,
)
MEASURING = (*FIRST, *LATER)


def named_among(evals: Sequence[Eval], name: str) -> Eval | None:
    """The eval of that name, or of a report of that name (`leak-plant` is one of `leak`)."""
    by_name = {one.name: one for one in evals}
    while name not in by_name and "-" in name:
        name = name.rpartition("-")[0]
    return by_name.get(name)
