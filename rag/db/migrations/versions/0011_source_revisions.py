"""Of which revision of its source a version was made, and where the next listing of a source begins"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "document_version", sa.Column("source_revision", sa.String(length=64), nullable=False, server_default="")
    )
    op.create_table(
        "source_cursor",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", name=op.f("pk_source_cursor")),
    )


def downgrade() -> None:
    op.drop_table("source_cursor")
    op.drop_column("document_version", "source_revision")
