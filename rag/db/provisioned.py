"""Tables of the people and groups that identity providers provision (SCIM).

They hold what decides about rights and nothing else: no names, addresses or telephone numbers of people.
"""

from datetime import datetime

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from policies.tables import Base, UtcDateTime


class DirectoryRow(Base):
    """Raised by every write of a tenant's provisioned people and groups, so that none is made from an older state."""

    __tablename__ = "scim_directory"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    revision: Mapped[int]


class ProvisionedRow(Base):
    """A person or a group."""

    __tablename__ = "scim_resource"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), doc="User or Group.")
    client: Mapped[str] = mapped_column(String(160), doc="Subject of the key that provisions it; others do not see it.")
    name: Mapped[str] = mapped_column(String(160), doc="Its name in the policy: user:... or group:...")
    label: Mapped[str] = mapped_column(String(512), doc="userName or displayName, as the client wrote it.")
    label_key: Mapped[str] = mapped_column(String(512), doc="The same without regard to case.")
    external_id: Mapped[str | None] = mapped_column(String(512))
    active: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("tenant", "name"),
        Index("ix_scim_resource_label", "tenant", "client", "kind", "label_key"),
        Index("ix_scim_resource_external_id", "tenant", "client", "kind", "external_id"),
    )


class MemberRow(Base):
    """A person, or a group, in a group. Role links of the policy follow from it."""

    __tablename__ = "scim_member"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    group_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(32), primary_key=True)

    __table_args__ = (Index("ix_scim_member_member", "tenant", "member_id"),)


class DisabledPersonRow(Base):
    """A person whom her identity provider deactivated or removed: nobody is let in under this name."""

    __tablename__ = "disabled_person"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    person: Mapped[str] = mapped_column(String(160), primary_key=True)
    client: Mapped[str] = mapped_column(String(160), doc="Who said so; only it can take it back.")
    since: Mapped[datetime] = mapped_column(UtcDateTime)
