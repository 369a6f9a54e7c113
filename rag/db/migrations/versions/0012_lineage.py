"""What each version was made by, when it was visible, and documents that are kept out"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of older versions nothing of this is known, and they are not given a row that would say otherwise.
    op.add_column("document_version", sa.Column("published_at", sa.DateTime(), nullable=True))
    op.add_column("document_version", sa.Column("ended_at", sa.DateTime(), nullable=True))
    op.create_table(
        "version_lineage",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("made_by", sa.String(length=128), nullable=False),
        sa.Column("parser", sa.String(length=64), nullable=False),
        sa.Column("hidden_content", sa.Text(), nullable=False),
        sa.Column("injection_rules", sa.String(length=64), nullable=False),
        sa.Column("recognizers", sa.String(length=64), nullable=False),
        sa.Column("chunker", sa.String(length=64), nullable=False),
        sa.Column("chunk_tokens", sa.Integer(), nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("embedder_digest", sa.Text(), nullable=False),
        sa.Column("lexical_digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["document_version.id"],
            name=op.f("fk_version_lineage_version_document_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_version_lineage")),
    )
    op.create_table(
        "kept_out_document",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("path_digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=64), nullable=False),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "path_digest", name=op.f("pk_kept_out_document")),
    )


def downgrade() -> None:
    op.drop_table("kept_out_document")
    op.drop_table("version_lineage")
    op.drop_column("document_version", "ended_at")
    op.drop_column("document_version", "published_at")
