"""Puts the description together: what FastAPI knows of paths and parameters, and what `OPERATIONS` adds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from policies.rules import Level
from rag.api.description.operations import HTML, JSON, OPERATIONS, TAGS, TEXT, YAML, Key, Operation
from rag.api.description.responses import OpenAIError, Problem
from rag.api.errors import PROBLEM, speaks_openai

Json = dict[str, Any]

_ABOUT = """Answers from a company's documents, with verified citations, and nothing that the caller may not read.

Call with `Authorization: Bearer KEY`: a person's key or access token, or an assistant's key together with the person
that it asks for. Errors carry a stable `code`; a `429` says in `Retry-After` when to come back. Every answer has an
`X-Request-Id`, which finds it in the service's log."""
_SCHEMES: Json = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key, or an access token of the identity provider."},
    "personToken": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Ringfence-Person-Token",
        "description": "With an assistant's key: a signed token of the person that it asks for.",
    },
    "person": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Ringfence-Person",
        "description": "With an assistant's key that may name people: the name of the person that it asks for.",
    },
}
_FOR_SOMEBODY: list[Json] = [{"key": []}, {"key": [], "personToken": []}, {"key": [], "person": []}]
_SECURITY: Mapping[Key, list[Json]] = {
    Key.PERSON: _FOR_SOMEBODY,
    Key.ANY: _FOR_SOMEBODY,
    Key.NONE: [],
    Key.PERHAPS: [{}, {"key": []}],
}
_OF_ALL = {400: "The request cannot be used; the code says why.", 500: "A fault of the service."}
_OF_KEYS = {
    401: "No key or token, or none that is accepted.",
    403: "The key, or the person, may not do this.",
    429: "A limit is reached; its name is the code.",
    503: "A part that the answer depends on does not answer. Nothing was given.",
}
_OF_BODIES = {
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as what it has to be.",
}
_MALFORMED = {422: "The request does not have the expected form; the detail names the fields."}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the policy that the edit was made for. Required unless it is only tried out.",
    "schema": {"type": "string"},
}
_RETRY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request with the same key is carried out once, however often it is sent.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[\\x20-\\x7e]+$"},
}


def describe(app: FastAPI) -> Callable[[], Json]:
    """What `FastAPI.openapi` is to be: the description of all of the app's routes, made once.

    Raises:
        KeyError: when it is made: a route's operation has no line in `OPERATIONS`.
    """
    made: Json = {}

    def openapi() -> Json:
        if not made:
            made.update(_document(app))
        return made

    return openapi


def _document(app: FastAPI) -> Json:
    found = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    found["tags"] = [{"name": tag.value, "description": about} for tag, about in TAGS.items()]
    components = found.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    models, schemas = models_json_schema(
        [(model, "validation") for model in _models()], ref_template="#/components/schemas/{model}"
    )
    components["schemas"] = _with_level_names(schemas["$defs"])
    references: dict[Any, Json] = {model: reference for (model, _), reference in models.items()}
    for path, methods in found["paths"].items():
        for described in methods.values():
            _complete(described, path, OPERATIONS[described["operationId"]], references)
    return found


def _with_level_names(schemas: Json) -> Json:
    """Levels are written by name, and read into numbers by a validator, which no schema shows."""
    schemas["Level"] = {"type": "string", "enum": [level.name.lower() for level in Level]}
    for schema in schemas.values():
        for property_ in schema.get("properties", {}).values():
            if str(property_.get("$ref", "")).endswith("/Level") and "default" in property_:
                property_["default"] = Level(property_["default"]).name.lower()
    return schemas


def _models() -> Iterator[type[BaseModel]]:
    yield from (OpenAIError, Problem)
    for operation in OPERATIONS.values():
        yield from (one for one in (operation.takes, operation.gives) if isinstance(one, type))


def _complete(described: Json, path: str, operation: Operation, references: Mapping[type[BaseModel], Json]) -> None:
    described["tags"] = [operation.tag.value]
    described["security"] = _SECURITY[operation.key]
    parameters = described.get("parameters", [])
    if operation.edits:
        described["parameters"] = [*parameters, _IF_MATCH, _RETRY_KEY]
    if operation.repeatable:
        described["parameters"] = [*parameters, _RETRY_KEY]
    if operation.takes is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.takes, references)}
    given = {"description": described["responses"].get("200", {}).get("description", "Successful Response")}
    content = _content(operation.gives, references)
    given["content"] = content | {media: _content(media, references)[media] for media in operation.also}
    given["headers"] = _headers(200)
    errors = (
        _content(OpenAIError, references) if speaks_openai(path) else {PROBLEM: _content(Problem, references)[JSON]}
    )
    if operation.gives == JSON:
        errors |= _content(JSON, references)  # Within a protocol, its own errors.
    described["responses"] = {"200": given} | {
        str(status): {"description": about, "content": errors, "headers": _headers(status)}
        for status, about in sorted(_statuses(path, operation, bool(parameters)).items())
    }


def _statuses(path: str, operation: Operation, takes_parameters: bool) -> dict[int, str]:
    statuses = dict(_OF_ALL)
    if operation.key is not Key.NONE:
        statuses |= _OF_KEYS
    if operation.takes is not None:
        statuses |= _OF_BODIES
    if not speaks_openai(path) and (takes_parameters or operation.takes is not None):
        statuses |= _MALFORMED
    return statuses | dict(operation.statuses)


def _content(what: type[BaseModel] | str, references: Mapping[type[BaseModel], Json]) -> Json:
    if isinstance(what, str):
        return {what: {"schema": {"type": "string"}} if what in (YAML, TEXT, HTML) else {}}
    return {JSON: {"schema": references[what]}}


def _headers(status: int) -> Json:
    text = {"schema": {"type": "string"}}
    found: Json = {"X-Request-Id": text | {"description": "Finds the call in the service's log."}}
    if status == 429:
        found["Retry-After"] = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
    return found
