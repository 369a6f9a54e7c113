"""Tables of the first release"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("secret_digest", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("may_name_people", sa.Boolean(), nullable=False),
        sa.Column("administrator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_key_tenant"), ["tenant"], unique=False)

    op.create_table(
        "audit_record",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sequence", name=op.f("pk_audit_record")),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("path_digest", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column("department", sa.String(length=128), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=False),
        sa.Column("shares", sa.JSON(), nullable=False),
        sa.Column("denied_shares", sa.JSON(), nullable=False),
        sa.Column("compartments", sa.JSON(), nullable=False),
        sa.Column("attribute_version", sa.Integer(), nullable=False),
        sa.Column("indexed_attribute_version", sa.Integer(), nullable=False),
        sa.Column("current_version", sa.String(length=64), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("tenant", "source", "path_digest", name=op.f("uq_document_tenant_source_path_digest")),
    )
    with op.batch_alter_table("document", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_document_tenant"), ["tenant"], unique=False)

    op.create_table(
        "index_tombstone",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("chunk", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "chunk", name=op.f("pk_index_tombstone")),
    )
    op.create_table(
        "policy_change",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("edit", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "epoch", name=op.f("pk_policy_change")),
    )
    with op.batch_alter_table("policy_change", schema=None) as batch_op:
        batch_op.create_index("ix_policy_change_at", ["tenant", "at"], unique=False)

    op.create_table(
        "policy_epoch",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_policy_epoch")),
    )
    op.create_table(
        "policy_role_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("member", sa.String(length=160), nullable=False),
        sa.Column("parent", sa.String(length=160), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_role_link")),
        sa.UniqueConstraint("tenant", "member", "parent", name=op.f("uq_policy_role_link_tenant_member_parent")),
    )
    op.create_table(
        "policy_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=128), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=8), nullable=False),
        sa.Column("document", sa.String(length=128), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_rule")),
        sa.UniqueConstraint(
            "tenant",
            "subject",
            "action",
            "department",
            "tags",
            "owner",
            "document",
            "level",
            "effect",
            name=op.f("uq_policy_rule_tenant_subject_action_department_tags_owner_document_level_effect"),
        ),
    )
    op.create_table(
        "tenant_key",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("master_key_id", sa.String(length=32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tenant_key")),
    )
    op.create_table(
        "vault_entry",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("token", sa.String(length=96), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token", name=op.f("pk_vault_entry")),
    )
    op.create_table(
        "document_version",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("pipeline_digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("policy_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"],
            ["document.id"],
            name=op.f("fk_document_version_document_document"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_version")),
    )
    with op.batch_alter_table("document_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_document_version_document"), ["document"], unique=False)
        batch_op.create_index("ix_document_version_state", ["tenant", "state"], unique=False)

    op.create_table(
        "chunk",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("level_at_least", sa.Integer(), nullable=False),
        sa.Column("more_compartments", sa.JSON(), nullable=False),
        sa.Column("more_denied_shares", sa.JSON(), nullable=False),
        sa.Column("dense", sa.LargeBinary(), nullable=False),
        sa.Column("lexical_indices", sa.LargeBinary(), nullable=False),
        sa.Column("lexical_values", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"], ["document.id"], name=op.f("fk_chunk_document_document"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version"],
            ["document_version.id"],
            name=op.f("fk_chunk_version_document_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunk")),
    )
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_chunk_document"), ["document"], unique=False)
        batch_op.create_index(batch_op.f("ix_chunk_version"), ["version"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_chunk_version"))
        batch_op.drop_index(batch_op.f("ix_chunk_document"))

    op.drop_table("chunk")
    with op.batch_alter_table("document_version", schema=None) as batch_op:
        batch_op.drop_index("ix_document_version_state")
        batch_op.drop_index(batch_op.f("ix_document_version_document"))

    op.drop_table("document_version")
    op.drop_table("vault_entry")
    op.drop_table("tenant_key")
    op.drop_table("policy_rule")
    op.drop_table("policy_role_link")
    op.drop_table("policy_epoch")
    with op.batch_alter_table("policy_change", schema=None) as batch_op:
        batch_op.drop_index("ix_policy_change_at")

    op.drop_table("policy_change")
    op.drop_table("index_tombstone")
    with op.batch_alter_table("document", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_document_tenant"))

    op.drop_table("document")
    op.drop_table("audit_record")
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_key_tenant"))

    op.drop_table("api_key")
