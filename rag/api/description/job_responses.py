"""How answers about jobs look, for the description of the API."""

from typing import Literal

from pydantic import Field

from rag.api.description.responses import Shape


class JobProgress(Shape):
    step: str
    done: int
    total: int


class Job(Shape):
    """`parts` are numbers of its parts by state; it is `settled` when nothing of it or them is still to be done."""

    id: str
    kind: str
    source: str
    parent: str | None
    state: Literal["queued", "running", "done", "dead", "cancelled", "superseded"]
    settled: bool
    priority: int
    attempts: int
    attempts_max: int
    reason: str | None = Field(description="Code of what went wrong last.")
    progress: JobProgress
    parts: dict[str, int]
    created: str
    started: str | None
    finished: str | None


class JobList(Shape):
    jobs: list[Job]
    next: str | None
