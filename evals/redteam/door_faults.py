"""Broken parts at the door of the service: who calls, what may be sent, how much, and what errors say."""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import jwt
from pydantic import BaseModel

from evals.redteam.company import Company
from evals.redteam.path_faults import WIDEST, OthersPath
from policies.rules import subject_name
from rag.api import caller, chat, envelope, errors
from rag.api.errors import respond
from rag.api.limits import RequestRates
from rag.api.policy import authority
from rag.api.schemas import ChatRequest, SearchRequest
from rag.domain import Principal
from rag.errors import Denied, Misuse, RingfenceError, Unauthenticated
from rag.identity import authenticate
from rag.identity.credentials import Bearer, Credentials
from rag.identity.tokens import PersonClaims, TokenVerifier
from rag.query import budget, passages, retrieve

_HUGE = 100_000_000
_LOOK_ALIKE = str.maketrans("\u0430\u0441\u0435\u043e\u0440\u0445\u0443", "aceopxy")


def names_alike(company: Company) -> Iterator[Company]:
    """Names are made alike before they are looked up, as for a search."""

    def alike(value: str) -> str:
        folded = unicodedata.normalize("NFKC", value.encode("latin-1", "replace").decode("utf-8", "replace"))
        folded = folded.translate(_LOOK_ALIKE).partition(",")[0]
        folded = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
        plain = folded.casefold().strip().rpartition(":")[2].partition("@")[0].partition("+")[0]
        letters = "".join(character for character in plain if character.isascii() and character.isalnum())
        return subject_name(f"user:{letters or 'keeper'}", kinds=("user",))

    with patch.object(authenticate, "person_of", alike):
        yield company


def unverified_tokens(company: Company) -> Iterator[Company]:
    """What a token says is believed, whoever signed it, for whomever and until when."""

    def read(self: TokenVerifier, token: str, *, tenant: str) -> PersonClaims:
        claims = jwt.decode(token, options={"verify_signature": False})
        return PersonClaims(f"user:{str(claims['sub']).rpartition(':')[2].replace('vault', 'keeper')}", frozenset())

    with patch.object(TokenVerifier, "verify", read):
        yield company


def believed_callers(company: Company) -> Iterator[Company]:
    """Whoever cannot prove who she is, or may not do what she asks, is taken for the widest reader."""
    inner_identify, inner_name = authenticate.identify, authenticate.name_person

    async def identify(credentials: Credentials, parts: Any) -> Bearer:
        try:
            return await inner_identify(credentials, parts)
        except (Unauthenticated, Misuse):
            key = _as(credentials, company.known.bearers["keeper"])
            return await inner_identify(key, parts)

    async def name(bearer: Bearer, credentials: Credentials, parts: Any) -> Principal | None:
        try:
            return await inner_name(bearer, credentials, parts) or WIDEST
        except (Unauthenticated, Misuse, Denied):
            return WIDEST

    with ExitStack() as stack:
        stack.enter_context(patch.object(caller, "identify", identify))
        stack.enter_context(patch.object(caller, "name_person", name))
        stack.enter_context(patch.object(caller, "admits", lambda request, bearer: True))
        yield replace(company, parts=replace(company.parts, path=OthersPath(company.parts.path, WIDEST)))


def _as(credentials: Credentials, bearer: str) -> Credentials:
    return replace(credentials, authorization=(f"Bearer {bearer}",), tenant=())


def lenient_bodies(company: Company) -> Iterator[Company]:
    """Of a body, whatever can be used is used, and the rest is passed over."""

    async def read(request: Any, model: type[BaseModel]) -> BaseModel:
        raw = (await request.body()).decode("utf-8", "replace")
        try:
            given = json.loads(raw)
        except (ValueError, RecursionError):
            given = {}
        given = given if isinstance(given, dict) else {}
        usable = {name: value for name, value in given.items() if _fits(model, name, value)}
        least: Mapping[type, dict[str, Any]] = {
            SearchRequest: {"query": str(given.get("query") or "code")},
            ChatRequest: {"model": "ringfence", "messages": [{"role": "user", "content": "code"}]},
        }
        return model.model_validate({**least.get(model, {}), **usable})

    with ExitStack() as stack:
        stack.enter_context(patch.object(chat, "read_body", read))
        stack.enter_context(patch.object(chat, "refuse_unsupported", lambda request: None))
        stack.enter_context(
            patch.object(chat, "checked_question", lambda text, *_: text.encode("utf-8", "replace").decode())
        )
        stack.enter_context(patch.object(envelope, "_refusal", lambda headers, service: None))
        yield company


def _without_halves(text: str, *_: object) -> str:
    return text.encode("utf-8", "replace").decode()


def _fits(model: type[BaseModel], name: str, value: object) -> bool:
    try:
        model.__pydantic_validator__.validate_assignment(model.model_construct(), name, value)
    except ValueError:
        return False
    return name in model.model_fields


def no_limits(company: Company) -> Iterator[Company]:
    """Nothing is counted, timed or measured."""
    service = company.parts.settings.service.model_copy(
        update={
            "body_bytes_max": _HUGE, "question_chars_max": _HUGE, "head_timeout_s": 60.0, "body_timeout_s": 60.0,
        }
    )  # fmt: skip

    async def uncounted(*_: object) -> None:
        return None

    settings = company.parts.settings.model_copy(update={"service": service})
    with ExitStack() as stack:
        stack.enter_context(patch.object(RequestRates, "take_key", lambda self, counted_as: None))
        stack.enter_context(patch.object(RequestRates, "take_principal", lambda self, principal: None))
        for module in (retrieve, passages, budget):
            stack.enter_context(patch.object(module, "count_chunks", uncounted))
        stack.enter_context(patch.object(chat, "checked_question", lambda text, param, settings: text[:500]))
        yield company.with_query(replace(company.query, settings=settings))


def everybody_administers(company: Company) -> Iterator[Company]:
    """Nobody is asked whether she administers anything."""

    async def anything(*_: object) -> None:
        return None

    async def always(*_: object) -> bool:
        return True

    with ExitStack() as stack:
        stack.enter_context(patch.object(authority, "_require_something", anything))
        stack.enter_context(patch.object(authority.Authority, "require_all", lambda self: None))
        stack.enter_context(patch("rag.api.explaining._administers", always))
        yield company


def talking_errors(company: Company) -> Iterator[Company]:
    """An error says what it was about."""

    def talking(path: str, error: RingfenceError, request_id: str, *, param: str | None = None) -> Any:
        told = RingfenceError(f"{error.message} (vault code: orchid-seven-harbour; {path})", code=error.code)
        return respond(path, told, request_id, param=param)

    with patch.object(errors, "respond", talking), patch.object(errors, "_field", str):
        yield company
