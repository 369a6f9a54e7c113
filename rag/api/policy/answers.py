"""Answers about the policy as responses. They can be long, so they are made and written in a thread."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse, Response

from rag.api.policy.preconditions import etag


async def answered(make: Callable[[], Any], *, tag: tuple[str, int] | None = None) -> Response:
    """What `make` returns, as JSON. `tag` is the tenant and the epoch that the answer is of."""
    headers = None if tag is None else {"ETag": etag(*tag)}
    return await asyncio.to_thread(lambda: JSONResponse(make(), headers=headers))
