"""A tenant's configuration of masking, its directories, and which configuration made a document's version"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "masking_configuration",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("change", sa.String(length=64), nullable=False),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name=op.f("pk_masking_configuration")),
    )
    op.create_table(
        "masking_directory",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("entities", sa.JSON(), nullable=False),
        sa.Column("forms", sa.LargeBinary(), nullable=False),
        sa.Column("imported_by", sa.String(length=160), nullable=False),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_masking_directory")),
    )
    with op.batch_alter_table("document_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("masking_digest", sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    # Not in a batch: that makes the table anew on SQLite, and drops the old one with the chunks that refer to it.
    op.drop_column("document_version", "masking_digest")
    op.drop_table("masking_directory")
    op.drop_table("masking_configuration")
