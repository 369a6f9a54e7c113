"""From which place the documents of a source came"""

import sqlalchemy as sa
from alembic import op

from rag.db.migrations.row_level_security import disable, enable

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of the sources that there are it is not known: the next run of each says it.
    op.create_table(
        "source_place",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", name=op.f("pk_source_place")),
    )
    enable("source_place")


def downgrade() -> None:
    disable("source_place")
    op.drop_table("source_place")
