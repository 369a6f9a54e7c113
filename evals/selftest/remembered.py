"""A policy that is gone by from memory for some time, as a cache would that nobody tells of edits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from sqlalchemy.ext.asyncio import AsyncSession

from policies.snapshot import Snapshot
from policies.store import SnapshotCache


@contextmanager
def remembered(seconds: float) -> Iterator[None]:
    """The policy of a tenant is looked at anew only when it was remembered for so long."""
    known: dict[str, tuple[float, Snapshot]] = {}
    inner = SnapshotCache.get

    async def get(self: SnapshotCache, session: AsyncSession, tenant: str) -> Snapshot:
        if tenant not in known or time.monotonic() - known[tenant][0] > seconds:
            known[tenant] = time.monotonic(), await inner(self, session, tenant)
        return known[tenant][1]

    with patch.object(SnapshotCache, "get", get):
        yield
