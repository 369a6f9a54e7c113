"""A job in words for people: what it is about, how far it is, what went wrong, and what to do about that."""

from collections.abc import Iterator, Mapping

from ingestion.parse.document import WHAT_IT_MEANS, Reason
from ingestion.sources.names import LEFT_OUT
from rag.db.job_table import LOST, RETRYABLE, JobRow, JobState
from rag.db.jobs import JobView

_DRY_RUN = "`ringfence ingest --dry-run` of the source says more"
_WHY: Mapping[str, str] = {
    "source_unreadable": "the source could not be read from where the job ran: its path or address, the rights there, "
    f"or the file of sources; {_DRY_RUN}",
    "source_unknown": "the setting ingestion.sources does not name it for this tenant where the job ran",
    "source_empty": "the source is empty now; if all its documents are to be removed, ask for it with --allow-empty",
    "source_moved": "the source is another place now; if that is meant, ask for it with --moved",
    "sources_invalid": f"the file of sources is not valid; {_DRY_RUN}",
    "embedder_mismatch": "the settings name another embedder than the live index; `ringfence index list` tells",
    "database_unavailable": "the database did not answer",
    "index_unavailable": "the index did not answer",
    "interrupted": "it was stopped; the same command again goes on from there",
    LOST: "whoever worked on it did not come back",
}
_OTHER = "the log of whoever worked on it may say more"


def job_words(view: JobView) -> Iterator[tuple[str, str]]:
    """Names and values, without what there is nothing to say of."""
    row = view.row
    told = {
        "job": row.id,
        "what": what_of(row),
        "part of": row.parent or "",
        "state": f"{state_of(view)}{'' if view.state == JobState.QUEUED else f', {attempts_of(row)}'}",
        "still to do": "" if view.settled else "yes",
        "why": f"{view.reason}: {_WHY.get(view.reason, _OTHER)}" if view.reason else "",
        "to do it again": f"ringfence documents jobs retry {row.id} --tenant {row.tenant}" if _may_retry(view) else "",
        "step": row.step,
        "gone through": f"{view.done} of {view.total} documents" if view.total else "",
        "parts": _counts(view.parts),
        "documents": _counts(view.result.get("documents", {})),
    }
    yield from ((name, value) for name, value in told.items() if value)
    for reason, number in view.result.get("reasons", {}).items():
        yield f"failed: {reason}", f"{number}: {_means(reason)}"
    if view.result.get("reasons"):
        yield "which failed", "jobs keep no names; `ringfence ingest --dry-run` of the source shows them"
    times = {"created": row.created_at, "started": row.started_at, "ended": row.finished_at}
    if view.state == JobState.QUEUED:
        times["not before"] = row.run_after
    yield from ((name, at.isoformat(timespec="seconds")) for name, at in times.items() if at is not None)


def what_of(row: JobRow) -> str:
    return f"{row.kind} of {row.source}"


def attempts_of(row: JobRow) -> str:
    return f"attempt {row.attempts} of {row.attempts_max}"


def state_of(view: JobView) -> str:
    """A job whose parts are not all done is not done yet, for people, and one with superseded parts was not done."""
    if not view.settled and view.state == JobState.DONE:
        return JobState.RUNNING
    return JobState.SUPERSEDED if view.superseded and view.state == JobState.DONE else view.state


def _may_retry(view: JobView) -> bool:
    return view.state in RETRYABLE or any(view.parts.get(state) for state in RETRYABLE)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _means(reason: str) -> str:
    return WHAT_IT_MEANS[Reason(reason)] if reason in list(Reason) else LEFT_OUT.get(reason, "not said")
