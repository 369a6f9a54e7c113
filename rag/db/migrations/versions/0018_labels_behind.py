"""Documents whose new labels are to be written to the index are found without looking through all"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NAME = "ix_document_behind"
_BEHIND = sa.text("current_version IS NOT NULL AND indexed_attribute_version < attribute_version")


def upgrade() -> None:
    op.create_index(_NAME, "document", ["tenant"], sqlite_where=_BEHIND, postgresql_where=_BEHIND)


def downgrade() -> None:
    op.drop_index(_NAME, table_name="document")
