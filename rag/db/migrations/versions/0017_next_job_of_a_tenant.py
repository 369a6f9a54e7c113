"""The next job of each tenant is found without looking through all that are queued"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NAME = "ix_job_state"


def upgrade() -> None:
    op.drop_index(_NAME, table_name="job")
    op.create_index(_NAME, "job", ["state", "tenant", "priority", "number"])


def downgrade() -> None:
    # What is superseded was called done before.
    op.execute("UPDATE job SET state = 'done' WHERE state = 'superseded'")
    op.drop_index(_NAME, table_name="job")
    op.create_index(_NAME, "job", ["state", "priority", "number"])
