"""One call with parts opened for it alone: what `ringfence ask` and `privacy unmask` do when no service runs."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rag.api.completions import Shape, Usage
from rag.api.composition import open_parts
from rag.api.explaining import operators_account
from rag.db.folder import DataFolder
from rag.domain import Answer
from rag.identity.authenticate import authenticate
from rag.identity.credentials import Credentials
from rag.query.parts import Options
from rag.settings import Settings


async def complete(
    settings: Settings,
    folder: DataFolder,
    question: str,
    headers: Mapping[str, str],
    show: Callable[[str], None] | None,
    *,
    explain: bool = False,
) -> dict[str, Any]:
    """The completion that the service would have answered to the operator with these headers."""
    async with open_parts(settings, folder) as parts:
        principal = await authenticate(_credentials(folder, headers), parts.identity)
        answer: Answer | None = None
        account = operators_account() if explain else None
        async for event in parts.path.ask(question, principal, Options(account=account)):
            if isinstance(event, Answer):
                answer = event
            elif show is not None:
                show(event)
        if answer is None:
            raise RuntimeError("the path of the question ended without an answer")
        usage = Usage(parts.count_tokens(question), parts.count_tokens(answer.text))
        shape = Shape(f"chatcmpl-{secrets.token_hex(16)}", int(time.time()), parts.public_url, account)
        return shape.completion(answer, usage)


async def give_back(
    settings: Settings, folder: DataFolder, document: str, tokens: Sequence[str], headers: Mapping[str, str]
) -> dict[str, Any]:
    """What the service would have given back to the operator with these headers."""
    async with open_parts(settings, folder) as parts:
        principal = await authenticate(_credentials(folder, headers), parts.identity)
        given = await parts.path.give_back(document, tokens, principal)
        return {"document": given.document, "values": dict(given.values), "withheld": list(given.withheld)}


def _credentials(folder: DataFolder, headers: Mapping[str, str]) -> Credentials:
    """The operator's own, with what the headers name."""
    return Credentials(
        authorization=(f"Bearer {folder.operator_key()}",),
        person=_given(headers, "X-Ringfence-Person"),
        tenant=_given(headers, "X-Ringfence-Tenant"),
        assistant=_given(headers, "X-Ringfence-Assistant"),
        loopback=True,
    )


def _given(headers: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (headers[name],) if name in headers else ()
