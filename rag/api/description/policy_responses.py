"""How answers about the policy look, for the description of the API: `policies.shapes` writes them."""

from typing import Any, Literal

from rag.api.description.responses import Shape
from rag.api.records import LevelName


class RuleShape(Shape):
    id: str
    subject: str
    action: str
    department: str
    tags: list[str]
    owner: str
    document: str
    level: LevelName
    effect: Literal["allow", "deny"]


class LinkShape(Shape):
    member: str
    parent: str


class Policy(Shape):
    """`whole` is false where the caller administers a part of the tenant: then these are not all lines."""

    tenant: str
    epoch: int
    whole: bool
    rules: list[RuleShape]
    links: list[LinkShape]


class EditShape(Shape):
    added_rules: list[RuleShape]
    removed_rules: list[RuleShape]
    added_links: list[LinkShape]
    removed_links: list[LinkShape]


class Simulation(Shape):
    people: int
    documents: int
    actions: list[str]
    gainers: int
    losers: int
    gains: int
    losses: int
    changes: list[dict[str, Any]]
    canaries: list[dict[str, Any]]


class EditOutcome(EditShape):
    """`simulation` is null where the edit changed nothing, or was a repetition of one that is already made."""

    tenant: str
    epoch: int
    stored: bool
    repeated: bool
    dry_run: bool
    simulation: Simulation | None


class Revision(EditShape):
    epoch: int
    at: str
    author: str
    reason: str


class History(Shape):
    """`next` is the cursor of older edits; null at the end."""

    tenant: str
    revisions: list[Revision]
    next: str | None


class Difference(EditShape):
    tenant: str
    old: int
    new: int


class Decision(Shape):
    allowed: bool
    action: str
    reason: str
    rule: RuleShape | None
    error: bool


class ExplainedSection(Shape):
    attributes: dict[str, Any]
    decision: Decision
    callers: list[dict[str, Any]]


class ExplainedShape(Shape):
    tenant: str
    action: str
    document: str
    found: list[ExplainedSection]


class ReadersSection(Shape):
    attributes: dict[str, Any]
    people: int
    readers: list[dict[str, Any]]


class ReadersShape(Shape):
    tenant: str
    action: str
    document: str
    found: list[ReadersSection]


class ReachShape(Shape):
    tenant: str
    action: str
    callers: list[str]
    total: int
    by_department: dict[str, int]
    by_level: dict[str, int]
    examples: list[dict[str, Any]]
