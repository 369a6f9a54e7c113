"""All evals, in the order of worth: what `ringfence eval all` begins with matters most."""

from evals.entries import access, answers, ingestion, privacy, selftest
from evals.runner.entry import Eval

EVALS: tuple[Eval, ...] = (
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
    selftest.selftest,
    answers.drift,
    privacy.privacy_search,
    access.fuzz,
    access.soak,
    ingestion.ingest,
    answers.serve,
    answers.prefixes,
)


def named(name: str) -> Eval | None:
    """The eval of that name, or of a report of that name (`leak-plant` is one of `leak`)."""
    by_name = {one.name: one for one in EVALS}
    while name not in by_name and "-" in name:
        name = name.rpartition("-")[0]
    return by_name.get(name)
