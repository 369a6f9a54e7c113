"""Postgres as the house uses it: each transaction says whose it is before its first statement."""

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from policies.tenancy import tenancy

# For this transaction alone, as each last argument says: neither the pool's next user of the connection nor, where
# PgBouncer shares it among processes, another one takes it over.
_BIND = (
    "SELECT set_config('ringfence.tenant', %s, true), set_config('ringfence.all_tenants', %s, true), "
    "set_config('statement_timeout', %s, true)"
)


def prepare(engine: AsyncEngine, *, statement_timeout_s: float) -> None:
    """Set up each of the engine's transactions. 0: a statement may take for ever."""

    def begin(connection: Connection) -> None:
        bind(connection, statement_timeout_s)

    event.listen(engine.sync_engine, "begin", begin)


def bind(connection: Connection, statement_timeout_s: float = 0) -> None:
    """Tell the transaction that has just begun whose rows there are: see `policies.tenancy`."""
    now = tenancy()
    timeout_ms = f"{statement_timeout_s * 1000:.0f}"
    connection.exec_driver_sql(_BIND, (now.tenant, "on" if now.everybodys else "", timeout_ms))


async def heeds_tenants(session: AsyncSession) -> bool:
    """False where Postgres shows the role that is logged in every row: a superuser's, or one with BYPASSRLS.

    True on SQLite, which has no second wall to heed.
    """
    if session.get_bind().dialect.name != "postgresql":
        return True
    statement = text("SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user")
    return bool(await session.scalar(statement))
