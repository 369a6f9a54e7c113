"""Signed checkpoints of the audit log, and signed statements of what retention removed from it"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_pruned",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("through", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "through", name=op.f("pk_audit_pruned")),
    )


def downgrade() -> None:
    op.drop_table("audit_pruned")
    op.drop_table("audit_checkpoint")
