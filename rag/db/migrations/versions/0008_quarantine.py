"""Documents held back because they speak to a model, and what was decided about them"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quarantined_version",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["document_version.id"],
            name=op.f("fk_quarantined_version_version_document_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_quarantined_version")),
    )
    op.create_table(
        "quarantine_decision",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("document", sa.String(length=64), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "document", "content_digest", name=op.f("pk_quarantine_decision")),
    )


def downgrade() -> None:
    # What was held back was never visible, and older code would not know the states.
    op.execute("DELETE FROM document_version WHERE state IN ('quarantined', 'rejected')")
    op.drop_table("quarantine_decision")
    op.drop_table("quarantined_version")
