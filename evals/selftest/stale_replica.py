"""A replica that goes on by a policy that it remembers. A process of its own runs it, so it loads little."""

from multiprocessing.connection import Connection

from evals.access.replica import serve_replica
from evals.selftest.remembered import remembered

REMEMBERED_S = 0.2


def remembering_replica(url: str, line: Connection) -> None:
    """`serve_replica`, which looks at the policy anew only when it was remembered for some time."""
    with remembered(REMEMBERED_S):
        serve_replica(url, line)
