"""What an operator is told of a database that cannot be used: by a URL that is none, or for now."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from rag.errors import Misuse, Unavailable

_DRIVERS = frozenset({"sqlite+aiosqlite", "postgresql", "postgresql+psycopg"})
_FORMS = "sqlite+aiosqlite:///FILE or postgresql://USER@HOST/DATABASE"
# As SQLite says it: its extended codes do not pass through every driver.
_LOCKED = ("database is locked", "database table is locked", "database schema is locked")


def parsed(url: str) -> URL:
    """
    Raises:
        Misuse: it is no URL of a database that can be used. It is not repeated: it may hold a password.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise Misuse(
            f"RINGFENCE_DATABASE__URL is not the URL of a database: write {_FORMS}, or leave it out."
        ) from None
    if found.drivername not in _DRIVERS:
        raise Misuse(
            f"RINGFENCE_DATABASE__URL names {found.drivername!r}, which is not supported: write {_FORMS}, or leave it "
            "out."
        )
    return found


@contextmanager
def told_if_busy() -> Iterator[None]:
    """
    Raises:
        Unavailable: SQLite was waited for as long as one waits, and another process was still writing.
    """
    try:
        yield
    except OperationalError as cause:
        if not is_busy(cause):
            raise
        raise Unavailable(
            "The database is busy: another command or the service has been writing to it for longer than this one "
            "waits. Nothing of this step was done; run the command again when the other has ended.",
            code="database_busy",
        ) from cause


def is_busy(error: Exception) -> bool:
    """Whether SQLite gave up waiting for another process that writes."""
    return isinstance(error, OperationalError) and str(error.orig) in _LOCKED
