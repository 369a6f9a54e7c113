"""What each operation takes and gives, by its operation id. One that does not stand here fails a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel

from policies.files.edit_file import EditFile
from rag.api.description import job_responses as jobs
from rag.api.description import policy_responses as policy_gives
from rag.api.description import responses as gives
from rag.api.feedback import FeedbackRequest
from rag.api.index_requests import ComparisonRequest
from rag.api.jobs import JobRequest
from rag.api.policy.bodies import EditBody, ExplainBody, RollbackBody, WhatBody
from rag.api.schemas import ChatRequest, SearchRequest
from rag.api.unmask import UnmaskRequest

JSON = "application/json"
YAML = "application/yaml"
TEXT = "text/plain"
HTML = "text/html"
EVENTS = "text/event-stream"


class Tag(StrEnum):
    """The groups of operations, in the order in which they are shown, with what each is about."""

    ASK = "ask"
    DOCUMENTS = "documents"
    POLICY = "policy"
    SERVICE = "service"
    AGENTS = "agents"


TAGS: Mapping[Tag, str] = {
    Tag.ASK: "Questions and passages. OpenAI's clients speak this part.",
    Tag.DOCUMENTS: "What citations and tokens stand for, for whoever may see it at that moment.",
    Tag.POLICY: "The policy, for whoever administers something by it.",
    Tag.SERVICE: "For those who run the service.",
    Tag.AGENTS: "The Model Context Protocol, which describes itself (`tools/list`).",
}


class Key(StrEnum):
    """Whose key an operation takes."""

    PERSON = "a person's, or an assistant's that names one"
    ANY = "any"
    NONE = "none"
    PERHAPS = "none from this machine, else an administrator's"


@dataclass(frozen=True, slots=True)
class Operation:
    """`takes`: the body's model, or the media type of one without. `gives`: the same of the answer.

    `also` are further media types of the answer, `edits` takes `If-Match` and `Idempotency-Key`, `repeatable` only the
    latter, `statuses` are those beyond the ones that every operation of its kind has.
    """

    tag: Tag
    gives: type[BaseModel] | str
    takes: type[BaseModel] | str | None = None
    key: Key = Key.PERSON
    also: tuple[str, ...] = ()
    edits: bool = False
    repeatable: bool = False
    statuses: Mapping[int, str] = field(default_factory=dict)


_GONE = {404: "There is no such thing, or none that the caller may know of: the answer is the same."}
_KEY_USED = "The Idempotency-Key was used for another request."
_EDITED = {
    409: "It conflicts with what is stored: a canary would be exposed, or the Idempotency-Key was used otherwise.",
    412: "The policy has changed since the version that If-Match names.",
    428: "If-Match is missing.",
}

OPERATIONS: Mapping[str, Operation] = {
    "create_chat_completion": Operation(
        Tag.ASK, gives.ChatCompletion, ChatRequest, also=(EVENTS,), statuses={404: "There is no such model."}
    ),
    "search": Operation(Tag.ASK, gives.SearchResults, SearchRequest),
    "list_models": Operation(Tag.ASK, gives.ModelList, key=Key.ANY),
    "retrieve_model": Operation(Tag.ASK, gives.ModelShape, key=Key.ANY, statuses={404: "There is no such model."}),
    "open_passage": Operation(Tag.DOCUMENTS, gives.PassageShape, also=(HTML,), statuses=_GONE),
    "unmask": Operation(Tag.DOCUMENTS, gives.Unmasked, UnmaskRequest, statuses=_GONE),
    "feedback": Operation(Tag.ASK, gives.FeedbackKept, FeedbackRequest, statuses=_GONE),
    "me": Operation(Tag.SERVICE, gives.Me, key=Key.ANY),
    "publish": Operation(Tag.SERVICE, gives.Published, key=Key.ANY),
    "compare_indexes": Operation(
        Tag.SERVICE,
        gives.Comparison,
        ComparisonRequest,
        key=Key.ANY,
        statuses={404: "No index stands beside the live one."},
    ),
    "create_job": Operation(
        Tag.SERVICE, jobs.Job, JobRequest, key=Key.ANY, repeatable=True, statuses=_GONE | {409: _KEY_USED}
    ),
    "list_jobs": Operation(Tag.SERVICE, jobs.JobList, key=Key.ANY),
    "get_job": Operation(Tag.SERVICE, jobs.Job, key=Key.ANY, statuses=_GONE),
    "job_events": Operation(Tag.SERVICE, EVENTS, key=Key.ANY, statuses=_GONE),
    "retry_job": Operation(
        Tag.SERVICE, jobs.Job, key=Key.ANY, statuses=_GONE | {409: "Nothing of it is dead or cancelled."}
    ),
    "cancel_job": Operation(Tag.SERVICE, jobs.Job, key=Key.ANY, statuses=_GONE | {409: "All of it has ended."}),
    "livez": Operation(Tag.SERVICE, gives.Live, key=Key.NONE),
    "readyz": Operation(Tag.SERVICE, gives.Ready, key=Key.NONE, statuses={503: "A part does not answer."}),
    "metrics": Operation(Tag.SERVICE, TEXT, key=Key.PERHAPS),
    "policy": Operation(Tag.POLICY, policy_gives.Policy),
    "export_policy": Operation(Tag.POLICY, YAML),
    "policy_history": Operation(Tag.POLICY, policy_gives.History),
    "policy_diff": Operation(
        Tag.POLICY, policy_gives.Difference, statuses={409: "The history does not reach there, or not back that far."}
    ),
    "replace_policy": Operation(Tag.POLICY, policy_gives.EditOutcome, YAML, edits=True, statuses=_EDITED),
    "roll_policy_back": Operation(Tag.POLICY, policy_gives.EditOutcome, RollbackBody, edits=True, statuses=_EDITED),
    "edit_policy": Operation(Tag.POLICY, policy_gives.EditOutcome, EditBody, edits=True, statuses=_EDITED),
    "simulate": Operation(Tag.POLICY, policy_gives.EditOutcome, EditFile, statuses=_EDITED),
    "explain": Operation(Tag.POLICY, policy_gives.ExplainedShape, ExplainBody, statuses=_GONE),
    "who": Operation(Tag.POLICY, policy_gives.ReadersShape, statuses=_GONE),
    "what": Operation(Tag.POLICY, policy_gives.ReachShape, WhatBody),
    "mcp": Operation(
        Tag.AGENTS,
        JSON,
        JSON,
        key=Key.ANY,
        also=(EVENTS,),
        statuses={202: "A notification: there is no answer.", 421: "It was sent to a name that is not this service's."},
    ),
    "mcp_metadata": Operation(Tag.AGENTS, gives.ResourceMetadata, key=Key.NONE, statuses=_GONE),
    "root_metadata": Operation(Tag.AGENTS, gives.ResourceMetadata, key=Key.NONE, statuses=_GONE),
}
