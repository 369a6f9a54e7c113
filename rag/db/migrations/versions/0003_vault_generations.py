"""Keys of the vault have generations; what was erased is remembered by its digest, with a signed receipt"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vault_key",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("master_key_id", sa.String(length=32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "generation", name=op.f("pk_vault_key")),
    )
    op.create_table(
        "vault_erased",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("mark", sa.String(length=96), nullable=False),
        sa.Column("receipt", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "mark", name=op.f("pk_vault_erased")),
    )
    op.create_table(
        "erasure_receipt",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("issued_at", sa.DateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_erasure_receipt")),
    )
    with op.batch_alter_table("vault_entry", schema=None) as batch_op:
        batch_op.add_column(sa.Column("generation", sa.Integer(), nullable=False, server_default="1"))
        batch_op.create_index("ix_vault_entry_generation", ["tenant", "generation", "token"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("vault_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_vault_entry_generation")
        batch_op.drop_column("generation")
    op.drop_table("erasure_receipt")
    op.drop_table("vault_erased")
    op.drop_table("vault_key")
