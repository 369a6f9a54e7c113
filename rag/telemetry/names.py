"""Names of what spans say: OpenTelemetry's conventions where they have one, else `ringfence.`.

Those for generative AI are still in development, so they stand here and not in an import; a test compares them with
the installed conventions.
"""

from collections.abc import Mapping

Fact = str | int | float | bool

HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
ERROR_TYPE = "error.type"

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
WORKFLOW = "gen_ai.workflow.name"
DATA_SOURCE = "gen_ai.data_source.id"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
DIMENSIONS = "gen_ai.embeddings.dimension.count"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"

REQUEST_ID = "ringfence.request_id"
STAGE = "ringfence.stage"
BUSY_MS = "ringfence.busy_ms"
ENTERED = "ringfence.entered"
FIRST_MS = "ringfence.first_ms"


def workflow(name: str) -> dict[str, Fact]:
    """The whole path of a question."""
    return {OPERATION: "invoke_workflow", WORKFLOW: name, PROVIDER: "ringfence"}


def embeddings(model: str, dim: int) -> dict[str, Fact]:
    return {OPERATION: "embeddings", REQUEST_MODEL: model, DIMENSIONS: dim}


def data_source(source: str) -> dict[str, Fact]:
    """`source` is the tenant whose index is searched."""
    return {OPERATION: "retrieval", DATA_SOURCE: source}


def chat(model: str) -> dict[str, Fact]:
    return {OPERATION: "chat", REQUEST_MODEL: model}


def title(facts: Mapping[str, Fact]) -> str | None:
    """The name that the conventions give a span with these facts; None where they have none."""
    operation = facts.get(OPERATION)
    if operation is None:
        return None
    of = next((facts[key] for key in (REQUEST_MODEL, DATA_SOURCE, WORKFLOW) if key in facts), "")
    return f"{operation} {of}".strip()
