"""A replica that goes on by a policy that it remembers. A process of its own runs it, so it loads little."""

import time
from multiprocessing.connection import Connection
from unittest.mock import patch

from sqlalchemy.ext.asyncio import AsyncSession

from evals.access.replica import serve_replica
from policies.snapshot import Snapshot
from policies.store import SnapshotCache

REMEMBERED_S = 0.2


def remembering_replica(url: str, line: Connection) -> None:
    """`serve_replica`, which looks at the policy anew only when it was remembered for some time."""
    known: dict[str, tuple[float, Snapshot]] = {}
    inner = SnapshotCache.get

    async def get(self: SnapshotCache, session: AsyncSession, tenant: str) -> Snapshot:
        if tenant not in known or time.monotonic() - known[tenant][0] > REMEMBERED_S:
            known[tenant] = time.monotonic(), await inner(self, session, tenant)
        return known[tenant][1]

    with patch.object(SnapshotCache, "get", get):
        serve_replica(url, line)
