"""People and groups that identity providers provision; what a key may be used for, and which key it follows"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What every key could be used for so far. What needed a flag still needs it.
_SO_FAR = '["ask", "metrics", "policy", "publish", "search", "unmask"]'


def upgrade() -> None:
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("scopes", sa.JSON(), nullable=False, server_default=_SO_FAR))
        batch_op.add_column(sa.Column("replaces", sa.String(length=32), nullable=True))
    op.create_table(
        "scim_directory",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_scim_directory")),
    )
    op.create_table(
        "scim_resource",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("client", sa.String(length=160), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("label", sa.String(length=512), nullable=False),
        sa.Column("label_key", sa.String(length=512), nullable=False),
        sa.Column("external_id", sa.String(length=512), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scim_resource")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_scim_resource_tenant_name")),
    )
    op.create_index("ix_scim_resource_label", "scim_resource", ["tenant", "client", "kind", "label_key"])
    op.create_index("ix_scim_resource_external_id", "scim_resource", ["tenant", "client", "kind", "external_id"])
    op.create_table(
        "scim_member",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "group_id", "member_id", name=op.f("pk_scim_member")),
    )
    op.create_index("ix_scim_member_member", "scim_member", ["tenant", "member_id"])
    op.create_table(
        "disabled_person",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("person", sa.String(length=160), nullable=False),
        sa.Column("client", sa.String(length=160), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "person", name=op.f("pk_disabled_person")),
    )


def downgrade() -> None:
    op.drop_table("disabled_person")
    op.drop_table("scim_member")
    op.drop_table("scim_resource")
    op.drop_table("scim_directory")
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.drop_column("replaces")
        batch_op.drop_column("scopes")
