"""Two tenants with a row in every table, made from what the tables declare."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Enum, Table

from policies.tables import Base, UtcDateTime
from rag.db import feedback, index_table, job_table, provisioned, tables, usage, watch  # noqa: F401 - their tables are known once they are imported

TABLES = [table for table in Base.metadata.sorted_tables if "tenant" in table.c]
TENANTS = ("acme", "other")
_LISTS = ("tags", "shares", "denied_shares", "compartments", "flags", "scopes", "places")
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
# What stores read back as more than a text.
_MEANT: dict[str, dict[str, object]] = {
    "document": {"owner": "user:ann"},
    "document_version": {"state": "staged", "index_version": 1},
    "index_version": {"state": "live", "number": 1},
    "policy_rule": {
        "subject": "user:ann", "action": "read", "department": "*", "tags": "", "owner": "*", "document": "*",
        "effect": "allow",
    },
    "job": {"parent": None},
    "watch_window": {"alarms": []},
    "policy_role_link": {"member": "user:ann", "parent": "group:staff"},
}  # fmt: skip


def _value(column: Any, tenant: str) -> object:
    """Something that fits the column, and differs between tenants."""
    if column.name == "tenant":
        return tenant
    if isinstance(column.type, Enum):
        return column.type.enums[0]
    kind = datetime if isinstance(column.type, UtcDateTime) else column.type.python_type
    if isinstance(column.type, JSON):
        return [] if column.name.removeprefix("more_") in _LISTS else {}
    samples = {str: f"{tenant}-1", int: 1, bool: True, bytes: b"", datetime: _MOMENT, date: _MOMENT.date()}
    return samples[kind]


def row_of(table: Table, tenant: str) -> dict[str, object]:
    """Of each table, one row for each tenant; what refers to another table has that one's key."""
    counted = table.autoincrement_column if len(table.primary_key) == 1 else None
    columns = [column for column in table.c if column is not counted]
    return {column.name: _value(column, tenant) for column in columns} | _MEANT.get(table.name, {})
