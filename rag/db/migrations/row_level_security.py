"""The second wall between tenants, on Postgres: a table shows and takes rows of the transaction's tenant alone.

A migration that makes a table with a column `tenant` calls `enable` for it. On SQLite nothing is done.
"""

from alembic import op

POLICY = "tenant_wall"
# Without either setting both are null or empty, which no row's tenant is: no rows.
_CONDITION = (
    "tenant = current_setting('ringfence.tenant', true) OR current_setting('ringfence.all_tenants', true) = 'on'"
)


def enable(*tables: str) -> None:
    """Also for the tables' owner, whom row-level security does not bind by itself."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in tables:
        op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
        op.execute(f'CREATE POLICY {POLICY} ON "{table}" USING ({_CONDITION}) WITH CHECK ({_CONDITION})')


def disable(*tables: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in tables:
        op.execute(f'DROP POLICY {POLICY} ON "{table}"')
        op.execute(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')
