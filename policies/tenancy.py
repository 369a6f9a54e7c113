"""Whose rows the work at hand may see and write, as the database itself is told.

Every query names its tenant. This is the second wall, for the day one forgets to: whoever lets work in (a call, a
command, a job) says once whose it is, and Postgres hides everybody else's rows from all that follows. Unsaid, there
are no rows at all. On SQLite there is no second wall.

The tenant belongs to the task that says it and to the tasks that this one starts. A transaction keeps the tenant
that it began with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tenancy:
    """`tenant` is empty where nobody has said whose the work is. `everybodys` work sees all tenants' rows."""

    tenant: str = ""
    everybodys: bool = False


_NOBODYS = Tenancy()
_now: ContextVar[Tenancy] = ContextVar("ringfence_tenancy", default=_NOBODYS)


def tenancy() -> Tenancy:
    """That of the work at hand."""
    return _now.get()


def bind(tenant: str) -> None:
    """All that this task does from here on is for `tenant`."""
    _now.set(Tenancy(tenant))


@contextmanager
def within(tenant: str) -> Iterator[None]:
    """What begins meanwhile is for `tenant`."""
    with _as(Tenancy(tenant)):
        yield


@contextmanager
def every_tenant() -> Iterator[None]:
    """What begins meanwhile is for all tenants: upkeep, and what must happen before it is known whose a call is.

    Every use is listed, with its reason, in `tests/db/test_tenant_wall.py`.
    """
    with _as(Tenancy(everybodys=True)):
        yield


@contextmanager
def _as(tenancy: Tenancy) -> Iterator[None]:
    before = _now.set(tenancy)
    try:
        yield
    finally:
        _now.reset(before)
