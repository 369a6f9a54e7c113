"""A process that writes points for ever and says after each batch that it was acknowledged; it is killed."""

import asyncio
import sys
from itertools import count
from pathlib import Path

import numpy as np

from policies.rules import Attributes, Level
from rag.domain import SparseVector
from rag.index.embedded import open_embedded
from rag.index.payload import payload_of
from rag.index.store import Point
from tests.index.worlds import chunk

BATCH = 20


async def main(folder: Path) -> None:
    store = open_embedded(folder, tenant="acme", dim=4, conditions_max=400)
    of = Attributes(tenant="acme", document="d1", department="sales", level=Level.PUBLIC)
    payload = payload_of(of, version="v1", attribute_version=1, policy_epoch=1)
    words = SparseVector(np.array([1], np.uint32), np.array([1], np.float32))
    for batch in count():
        numbers = range(batch * BATCH, (batch + 1) * BATCH)
        await store.upsert([Point(chunk(n), np.ones(4, np.float32), words, payload) for n in numbers])
        sys.stdout.write(f"{(batch + 1) * BATCH}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
