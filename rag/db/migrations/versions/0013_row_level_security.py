"""Row-level security: on Postgres, a transaction sees and writes the rows of its own tenant alone"""

from rag.db.migrations.row_level_security import disable, enable

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = (
    "api_key",
    "audit_checkpoint",
    "audit_pruned",
    "audit_record",
    "chunk",
    "daily_usage",
    "daily_usage_chunk",
    "disabled_person",
    "document",
    "document_version",
    "erasure_receipt",
    "index_tombstone",
    "job",
    "job_turn",
    "kept_out_document",
    "masking_configuration",
    "masking_directory",
    "policy_change",
    "policy_epoch",
    "policy_role_link",
    "policy_rule",
    "quarantine_decision",
    "quarantined_version",
    "scim_directory",
    "scim_member",
    "scim_resource",
    "source_cursor",
    "tenant_key",
    "vault_entry",
    "vault_erased",
    "vault_key",
    "version_lineage",
)


def upgrade() -> None:
    enable(*TABLES)


def downgrade() -> None:
    disable(*TABLES)
