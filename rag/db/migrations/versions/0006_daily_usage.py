"""What people and assistants used of their day: tokens, and restricted chunks"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_usage",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "day", name=op.f("pk_daily_usage")),
    )
    op.create_table(
        "daily_usage_chunk",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("chunk", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "day", "chunk", name=op.f("pk_daily_usage_chunk")),
    )


def downgrade() -> None:
    op.drop_table("daily_usage_chunk")
    op.drop_table("daily_usage")
