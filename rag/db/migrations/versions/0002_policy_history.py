"""Every epoch has its record in the history of a policy; repeated requests and stricter chunks are found"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("policy_change", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=16), nullable=False, server_default="edit"))
        batch_op.add_column(sa.Column("idempotency_key", sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column("request_digest", sa.String(length=64), nullable=True))
        batch_op.create_index("ix_policy_change_retry", ["tenant", "author", "idempotency_key"], unique=True)
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stricter", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.create_index(
            "ix_chunk_stricter", ["tenant"], sqlite_where=sa.text("stricter"), postgresql_where=sa.text("stricter")
        )
    op.execute(
        "UPDATE chunk SET stricter = (1 = 1) WHERE level_at_least > 0 "
        "OR CAST(more_compartments AS TEXT) <> '[]' OR CAST(more_denied_shares AS TEXT) <> '[]'"
    )


def downgrade() -> None:
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        batch_op.drop_index("ix_chunk_stricter")
        batch_op.drop_column("stricter")
    with op.batch_alter_table("policy_change", schema=None) as batch_op:
        batch_op.drop_index("ix_policy_change_retry")
        batch_op.drop_column("request_digest")
        batch_op.drop_column("idempotency_key")
        batch_op.drop_column("kind")
