"""Index versions: which indexes a tenant has, and of which one each version of a document is"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from rag.db.migrations.row_level_security import disable, enable

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_FLOAT_BYTES = 4

_INDEX = sa.table(
    "index_version",
    sa.column("tenant", sa.String),
    sa.column("number", sa.Integer),
    sa.column("state", sa.String),
    sa.column("embedder", sa.Text),
    sa.column("embedder_digest", sa.Text),
    sa.column("dim", sa.Integer),
    sa.column("figures", sa.JSON),
    sa.column("created_at", sa.DateTime),
)


def upgrade() -> None:
    op.create_table(
        "index_version",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("embedder_digest", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("embedding", sa.JSON(), nullable=True),
        sa.Column("chunk_tokens", sa.Integer(), nullable=True),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("promoted_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "number", name=op.f("pk_index_version")),
    )
    enable("index_version")
    op.add_column("document_version", sa.Column("index_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "document_version", sa.Column("indexed_attribute_version", sa.Integer(), server_default="0", nullable=False)
    )
    connection = op.get_bind()
    for tenant in list(connection.scalars(sa.text("SELECT DISTINCT tenant FROM document"))):
        embedder, digest, dim = _embedder_of(connection, tenant)
        first = {
            "tenant": tenant, "number": 1, "state": "live", "embedder": embedder, "embedder_digest": digest,
            "dim": dim, "figures": {}, "created_at": datetime.now(UTC).replace(tzinfo=None),
        }  # fmt: skip
        connection.execute(sa.insert(_INDEX).values(first))


def _embedder_of(connection: sa.Connection, tenant: str) -> tuple[str, str, int]:
    """What made the tenant's vectors, where all that is visible or about to be says so, and says the same."""
    made = sa.text(
        "SELECT DISTINCT l.embedder, l.embedder_digest FROM document_version v LEFT JOIN version_lineage l "
        "ON l.version = v.id WHERE v.tenant = :tenant AND v.state IN ('published', 'staged')"
    )
    found = connection.execute(made, {"tenant": tenant}).all()
    if len(found) != 1 or found[0][1] is None:
        return "", "", 0
    one = sa.text("SELECT dense FROM chunk WHERE tenant = :tenant LIMIT 1")
    dense = connection.scalar(one, {"tenant": tenant})
    return found[0][0], found[0][1], len(dense or b"") // _FLOAT_BYTES


def downgrade() -> None:
    # The older schema knows the first index alone: what is of another would pass for its.
    op.execute(
        sa.text(
            "UPDATE document SET current_version = (SELECT v.id FROM document_version v WHERE v.document = document.id "
            "AND v.index_version = 1 AND v.state IN ('published', 'standby'))"
        )
    )
    op.execute(sa.text("UPDATE document_version SET state = 'published' WHERE state = 'standby'"))
    op.execute(sa.text("DELETE FROM document_version WHERE index_version <> 1"))
    op.drop_column("document_version", "indexed_attribute_version")
    op.drop_column("document_version", "index_version")
    disable("index_version")
    op.drop_table("index_version")
