"""The events of a job as they happen, for as long as the caller may see them."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from rag.api.caller import still_administrator
from rag.api.completions import event
from rag.api.errors import known
from rag.db.jobs import JobView
from rag.errors import RingfenceError
from rag.identity.credentials import Bearer

EVENTS_S_MAX = 600.0
"""A stream that is still open then is closed; whoever still may, opens another."""
EVERY_S = 0.5
VERIFIED_S = 5.0
"""The caller is verified anew before each event, and at least so often while there is none."""
QUIET_S = 15.0
"""A comment is sent after so long, lest a proxy take a quiet stream for a dead one."""

Look = Callable[[], Awaitable[JobView]]
SendText = Callable[[str], Awaitable[None]]


async def send_events(request: Request, bearer: Bearer, look: Look, send: SendText) -> None:
    """The job, at once and whenever it has changed, until all of it has ended.

    A key that was revoked, has expired or lost a right meanwhile ends the stream with an event `error`, and so does a
    database that does not answer.
    """
    told, spoken, verified, until = "", time.monotonic(), time.monotonic(), time.monotonic() + EVENTS_S_MAX
    while True:
        try:
            view = await look()
            shown = view.as_json()
            written = json.dumps(shown, sort_keys=True)
            if written != told or time.monotonic() - verified >= VERIFIED_S:
                # After the look: what is sent now was seen by somebody who may see it now.
                await still_administrator(request, bearer)
                verified = time.monotonic()
        except (RingfenceError, SQLAlchemyError) as cause:
            error = known(cause)
            await send(event({"code": error.code, "detail": error.message}, name="error"))
            return
        if written != told:
            await send(event(shown, name="job"))
            told, spoken = written, time.monotonic()
        elif time.monotonic() - spoken > QUIET_S:
            await send(": still at it\n\n")
            spoken = time.monotonic()
        if view.settled or time.monotonic() > until:
            return
        await asyncio.sleep(EVERY_S)
