"""Runs migrations on the connection that `rag.db.migrate` hands over."""

from alembic import context

from rag.db import feedback, index_table, job_table, provisioned, usage, watch  # noqa: F401 - their tables are known once they are imported
from rag.db.tables import DocumentRow

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=DocumentRow.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
