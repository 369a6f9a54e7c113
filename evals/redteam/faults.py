"""Parts of the service broken on purpose, by name: with one of them an attack gets through, and the run must say so.

A fault is a context in which the company is another one, or a function of the product does less than it should. Each
removes one protection, and the attacks that rest on it name it.
"""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from evals.redteam import door_faults, path_faults
from evals.redteam.company import Company

FAULTS: Mapping[str, Callable[[Company], Any]] = {
    broken.__name__: contextmanager(broken)
    for broken in (
        path_faults.widest_reader,
        path_faults.lenient_reader,
        path_faults.no_guard,
        path_faults.believed_claims,
        path_faults.trusted_history,
        path_faults.unescaped_pages,
        path_faults.unrecorded,
        door_faults.names_alike,
        door_faults.unverified_tokens,
        door_faults.believed_callers,
        door_faults.lenient_bodies,
        door_faults.no_limits,
        door_faults.everybody_administers,
        door_faults.talking_errors,
    )
}
"""By name: a context that yields the company with that part broken."""
