"""Tables of documents, keys, the vault and the audit log. The policy's own tables are in `policies.tables`.

Text columns hold the reading face only; originals are in `vault_entry`, sealed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base, UtcDateTime

_BEHIND = sql("current_version IS NOT NULL AND indexed_attribute_version < attribute_version")
"""The few documents whose new labels the index does not carry yet, see `Projection.relabelled`."""


class DocumentRow(Base):
    """A document and the attributes that every check is made on: the authority, the index is a projection."""

    __tablename__ = "document"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128), index=True)
    source: Mapped[str] = mapped_column(String(128))
    path_digest: Mapped[str] = mapped_column(String(64), doc="Keyed digest of the path in the source: its identity.")
    path: Mapped[str] = mapped_column(Text, doc="Masked path, for people.")
    title: Mapped[str] = mapped_column(Text, doc="Masked title.")
    media_type: Mapped[str] = mapped_column(String(128))
    department: Mapped[str] = mapped_column(String(128))
    level: Mapped[int]
    tags: Mapped[list[str]] = mapped_column(JSON)
    owner: Mapped[str] = mapped_column(String(160))
    shares: Mapped[list[str]] = mapped_column(JSON)
    denied_shares: Mapped[list[str]] = mapped_column(JSON)
    compartments: Mapped[list[str]] = mapped_column(JSON)
    attribute_version: Mapped[int] = mapped_column(default=1)
    indexed_attribute_version: Mapped[int] = mapped_column(
        default=0, doc="What the index carries; smaller: to be projected."
    )
    current_version: Mapped[str | None] = mapped_column(String(64), doc="The visible version: none until published.")
    flags: Mapped[list[str]] = mapped_column(JSON, doc="Codes of what was noticed, see `rag.injection.findings`.")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("tenant", "source", "path_digest"),
        Index("ix_document_behind", "tenant", sqlite_where=_BEHIND, postgresql_where=_BEHIND),
    )


EVER_VISIBLE = ("published", "standby", "superseded", "retired")
"""States of versions that were shown under labels that still hold: a citation may lead to one. The others were never
shown, or are withdrawn, and have no text that anybody may be given."""
NEVER_LIVE = ("staged", "quarantined", "rejected", "ready")
"""States of versions that were never shown: they go with their index."""
IN_INDEX = ("published", "ready", "standby")
"""States of versions whose points their index is to have: a document has at most one of each index."""


class VersionRow(Base):
    """A document's content at one time.

    `state` moves one way: staged (written here, not yet in the index), published (the visible one),
    superseded (replaced; its points are still in the index), retired (its points are gone). An older one whose
    document got new labels is withdrawn: without chunks, never to be opened again.
    One that speaks to a model may be quarantined in place of staged: released, it is staged, else rejected.

    In an index that is not the live one, ready stands in place of published, and standby where it was published
    before: a switch between two indexes turns one into the other.
    """

    __tablename__ = "document_version"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    document: Mapped[str] = mapped_column(ForeignKey("document.id", ondelete="CASCADE"))
    tenant: Mapped[str] = mapped_column(String(128))
    content_digest: Mapped[str] = mapped_column(String(64), doc="Keyed digest of the source bytes.")
    pipeline_digest: Mapped[str] = mapped_column(String(64), doc="Parser, masking, chunker and embedder that made it.")
    masking_digest: Mapped[str] = mapped_column(
        String(64), default="", doc="The tenant's configuration of masking that made it; empty: the default."
    )
    state: Mapped[str] = mapped_column(String(16))
    index_version: Mapped[int] = mapped_column(default=1, server_default="1", doc="Number of the index that it is of.")
    indexed_attribute_version: Mapped[int] = mapped_column(
        default=0, server_default="0", doc="What its points carry while another index is the live one."
    )
    text: Mapped[str] = mapped_column(Text, doc="Reading face, whole; chunks are spans of it.")
    policy_epoch: Mapped[int] = mapped_column(doc="Epoch when it was written: older replicas cannot see it.")
    source_revision: Mapped[str] = mapped_column(
        String(64), default="", doc="Keyed digest of the source's revision of this content; empty: only reading tells."
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When it became the visible one.")
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When it ceased to be: replaced or withdrawn.")

    __table_args__ = (
        Index("ix_document_version_state", "tenant", "state"),
        Index("ix_document_version_document", "document", "index_version", "state"),
    )


class LineageRow(Base):
    """What a version was made by, each part for itself. A version of a release that did not record it has none."""

    __tablename__ = "version_lineage"

    version: Mapped[str] = mapped_column(ForeignKey("document_version.id", ondelete="CASCADE"), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    made_by: Mapped[str] = mapped_column(String(128), doc="The command or the job that wrote it.")
    parser: Mapped[str] = mapped_column(String(64), doc="Version of the parsers.")
    hidden_content: Mapped[str] = mapped_column(Text, doc="What was done with hidden content; empty: the default.")
    injection_rules: Mapped[str] = mapped_column(String(64), doc="Version of the rules that find planted instructions.")
    recognizers: Mapped[str] = mapped_column(String(64), doc="Digest of the installation's recognizers and settings.")
    chunker: Mapped[str] = mapped_column(String(64), doc="Version of the chunker.")
    chunk_tokens: Mapped[int] = mapped_column(doc="Longest chunk in tokens of the embedder.")
    embedder: Mapped[str] = mapped_column(Text, doc="Name of the embedder.")
    embedder_digest: Mapped[str] = mapped_column(Text)
    lexical_digest: Mapped[str] = mapped_column(Text)


class KeptOutRow(Base):
    """A document that was deleted and that its source must not bring back."""

    __tablename__ = "kept_out_document"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    source: Mapped[str] = mapped_column(String(128), primary_key=True)
    path_digest: Mapped[str] = mapped_column(String(64), primary_key=True, doc="As the document had it.")
    document: Mapped[str] = mapped_column(String(64))
    author: Mapped[str] = mapped_column(String(160))
    since: Mapped[datetime] = mapped_column(UtcDateTime)


class SourceCursorRow(Base):
    """Where the next listing of a source may begin. `made_by` is what its documents were made by until there."""

    __tablename__ = "source_cursor"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    source: Mapped[str] = mapped_column(String(128), primary_key=True)
    cursor: Mapped[str] = mapped_column(Text, doc="The source's own words; no path and no name.")
    made_by: Mapped[str] = mapped_column(String(64))


class SourcePlaceRow(Base):
    """Where the documents of a source came from. A source that is another place now removes none of them unasked."""

    __tablename__ = "source_place"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    source: Mapped[str] = mapped_column(String(128), primary_key=True)
    place: Mapped[str] = mapped_column(Text, doc="For the operator, as she configured it; no secret and no account.")
    digest: Mapped[str] = mapped_column(String(64), doc="Keyed digest of all that tells the place from another one.")


class ChunkRow(Base):
    """A chunk: a span of its version's text, its stricter labels, and the vectors the index is projected from."""

    __tablename__ = "chunk"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("document_version.id", ondelete="CASCADE"), index=True)
    document: Mapped[str] = mapped_column(ForeignKey("document.id", ondelete="CASCADE"), index=True)
    tenant: Mapped[str] = mapped_column(String(128))
    ordinal: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    page: Mapped[int | None]
    heading: Mapped[str] = mapped_column(Text, doc="Masked heading path.")
    level_at_least: Mapped[int] = mapped_column(default=0)
    more_compartments: Mapped[list[str]] = mapped_column(JSON)
    more_denied_shares: Mapped[list[str]] = mapped_column(JSON)
    stricter: Mapped[bool] = mapped_column(
        default=lambda context: _is_stricter(context.get_current_parameters()),
        doc="Whether one of the three is set: finds the few such chunks among a million.",
    )
    dense: Mapped[bytes] = mapped_column(LargeBinary, doc="float32 little-endian, L2-normalised, of the index face.")
    lexical_indices: Mapped[bytes] = mapped_column(LargeBinary, doc="uint32 little-endian term ids of the index face.")
    lexical_values: Mapped[bytes] = mapped_column(LargeBinary, doc="float32 little-endian weights.")

    # Of those chunks alone: an index of all chunks by tenant would be taken for questions that name a few of them.
    __table_args__ = (
        Index("ix_chunk_stricter", "tenant", sqlite_where=sql("stricter"), postgresql_where=sql("stricter")),
    )


def _is_stricter(columns: Mapping[str, Any]) -> bool:
    return bool(columns.get("level_at_least") or columns["more_compartments"] or columns["more_denied_shares"])


class QuarantinedRow(Base):
    """What is kept of a quarantined or rejected version beside it. Its document shows none of it before its release."""

    __tablename__ = "quarantined_version"

    version: Mapped[str] = mapped_column(ForeignKey("document_version.id", ondelete="CASCADE"), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    title: Mapped[str] = mapped_column(Text, doc="Masked title.")
    media_type: Mapped[str] = mapped_column(String(128))
    flags: Mapped[list[str]] = mapped_column(JSON, doc="Codes of what was noticed.")
    places: Mapped[list[dict[str, Any]]] = mapped_column(JSON, doc="Page, masked heading and codes of each place.")


class QuarantineDecisionRow(Base):
    """What a person decided about one content of one document. It holds for as long as the content is the same."""

    __tablename__ = "quarantine_decision"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    document: Mapped[str] = mapped_column(String(64), primary_key=True)
    content_digest: Mapped[str] = mapped_column(String(64), primary_key=True, doc="Keyed digest of the source bytes.")
    decision: Mapped[str] = mapped_column(String(16), doc="released or rejected")
    author: Mapped[str] = mapped_column(String(160))
    reason: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TombstoneRow(Base):
    """A chunk whose rows are gone and whose point is still to be removed from the index."""

    __tablename__ = "index_tombstone"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    chunk: Mapped[str] = mapped_column(String(64), primary_key=True)


class TenantKeyRow(Base):
    """A tenant's data key, wrapped by a master key. It gives the keys of tokens, words and digests, which never
    change, and the first key of the vault."""

    __tablename__ = "tenant_key"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    master_key_id: Mapped[str] = mapped_column(String(32), doc="Which master key wrapped it.")
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class VaultKeyRow(Base):
    """A later key of a tenant's vault, wrapped by a master key. The newest generation seals what is stored."""

    __tablename__ = "vault_key"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, doc="2 and more; never used again.")
    master_key_id: Mapped[str] = mapped_column(String(32), doc="Which master key wrapped it.")
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    complete: Mapped[bool] = mapped_column(default=False, doc="Whether every original is sealed with it.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class VaultRow(Base):
    """An original value, sealed. Destroying the row makes its token meaningless for ever."""

    __tablename__ = "vault_entry"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    token: Mapped[str] = mapped_column(String(96), primary_key=True)
    entity: Mapped[str] = mapped_column(String(64))
    generation: Mapped[int] = mapped_column(default=1, doc="Which of the vault's keys sealed it.")
    sealed: Mapped[bytes] = mapped_column(
        LargeBinary, doc="Nonce and AES-256-GCM ciphertext, bound to tenant and token."
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_vault_entry_generation", "tenant", "generation", "token"),)


class ErasedRow(Base):
    """A value that was erased and must not come back. `mark` is a keyed digest: a token, or that of a name's parts."""

    __tablename__ = "vault_erased"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    mark: Mapped[str] = mapped_column(String(96), primary_key=True)
    receipt: Mapped[str] = mapped_column(String(64))
    erased_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReceiptRow(Base):
    """The signed receipt of an erasure."""

    __tablename__ = "erasure_receipt"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[str] = mapped_column(Text, doc="Canonical JSON with its signature: no value, only tokens.")


class MaskingRow(Base):
    """One version of a tenant's configuration of masking. The newest counts; none is ever changed."""

    __tablename__ = "masking_configuration"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), doc="Of the configuration and the directory together.")
    body: Mapped[str] = mapped_column(Text, doc="Canonical JSON; values in it are keyed digests.")
    change: Mapped[str] = mapped_column(String(64), doc="What was changed: configuration, directory or decision.")
    author: Mapped[str] = mapped_column(String(160))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DirectoryRow(Base):
    """A list of people or customers whose values are found in texts: keyed digests of their forms, and counts."""

    __tablename__ = "masking_directory"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), doc="Of the forms.")
    entities: Mapped[dict[str, int]] = mapped_column(JSON, doc="Number of values by entity.")
    forms: Mapped[bytes] = mapped_column(LargeBinary, doc="Records of one size, see `rag.privacy.directory`.")
    imported_by: Mapped[str] = mapped_column(String(160))
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKeyRow(Base):
    """A credential: only a digest of the secret is kept."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, doc="Public part of the key.")
    tenant: Mapped[str] = mapped_column(String(128), index=True)
    secret_digest: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(160), doc="user:... or assistant:...")
    label: Mapped[str] = mapped_column(String(128))
    may_name_people: Mapped[bool] = mapped_column(default=False)
    administrator: Mapped[bool] = mapped_column(default=False)
    scopes: Mapped[list[str]] = mapped_column(JSON, doc="What it may be used for.")
    replaces: Mapped[str | None] = mapped_column(String(32), doc="The key that it was made to follow.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


OF_ANSWERS = "kind IN ('question', 'answer')"
"""The records of answers, in the words by which databases see that their index can be used."""


class AuditRow(Base):
    """One record of the hash chain of a tenant: ids, numbers and keyed digests, never text."""

    __tablename__ = "audit_record"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text, doc="Canonical JSON, exactly the hashed bytes.")
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))

    # Of those kinds alone: what people say about an answer has to find its records among some days' of them.
    __table_args__ = (
        Index(
            "ix_audit_record_answers", "tenant", "at", sqlite_where=sql(OF_ANSWERS), postgresql_where=sql(OF_ANSWERS)
        ),
    )


class AuditCheckpointRow(Base):
    """A signed checkpoint of a batch of audit records. It stays when retention removes its records."""

    __tablename__ = "audit_checkpoint"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(doc="Sequence number of the last record that it covers.")
    body: Mapped[str] = mapped_column(Text, doc="The statement, exactly as signed.")


class AuditPrunedRow(Base):
    """A signed statement that retention removed a tenant's records up to one of them. The newest counts."""

    __tablename__ = "audit_pruned"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    through: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[str] = mapped_column(Text, doc="The statement, exactly as signed.")
