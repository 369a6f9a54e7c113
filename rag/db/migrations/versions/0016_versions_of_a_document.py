"""The versions of one document in one index are found without looking through those of all others in their state"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_NAME = "ix_document_version_document"


def upgrade() -> None:
    op.drop_index(_NAME, table_name="document_version")
    op.create_index(_NAME, "document_version", ["document", "index_version", "state"])


def downgrade() -> None:
    op.drop_index(_NAME, table_name="document_version")
    op.create_index(_NAME, "document_version", ["document"])
