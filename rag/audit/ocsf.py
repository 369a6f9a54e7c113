"""Lines of an exported log as events of the Open Cybersecurity Schema Framework (OCSF 1.3), class API Activity (6003).

The line itself stands in `raw_data`, and everything else is computed from it: so an exported log verifies in this form
too, and an event that was edited is found.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rag.audit.export import RECORD, read_record
from rag.audit.search import is_denial
from rag.audit.signed import NotSigned, parsed, spelled

OCSF_VERSION = "1.3.0"
MAPPING = "ringfence audit ocsf 1"
API_ACTIVITY, APPLICATION_ACTIVITY = 6003, 6
CREATE, READ, UPDATE, DELETE, OTHER = 1, 2, 3, 4, 99
INFORMATIONAL, LOW = 1, 2
SUCCESS, FAILURE = 1, 2

_ACTIVITIES: Mapping[str, int] = {
    "search": READ,
    "question": READ,
    "answer": READ,
    "stopped": READ,
    "passage": READ,
    "passage_refused": READ,
    "unmask": READ,
    "unmask_refused": READ,
    "comparison": READ,
    "comparison_refused": READ,
    "index_compared": READ,
    "feedback": CREATE,
    "feedback_refused": CREATE,
    "feedback_reviewed": UPDATE,
    "feedback_exported": READ,
    "feedback_forgotten": DELETE,
    "drift": OTHER,
    "index_begun": CREATE,
    "index_tuned": CREATE,
    "index_switched": UPDATE,
    "index_dropped": DELETE,
    "key_created": CREATE,
    "key_rotated": UPDATE,
    "vault_key_rotated": UPDATE,
    "master_key_rotated": UPDATE,
    "masking": UPDATE,
    "policy_edit": UPDATE,
    "document_let_in": UPDATE,
    "key_revoked": DELETE,
    "document_deleted": DELETE,
    "erasure": DELETE,
    "vault_pruned": DELETE,
    "model_forgotten": DELETE,
    "audit_pruned": DELETE,
}


def event_of(line: str) -> str:
    """The event of a line, as a line.

    Raises:
        NotSigned: the line is none of an exported log.
    """
    fields = parsed(line)
    return spelled(_record_event(line) if fields.get("format") == RECORD else _statement_event(line, fields))


def plain_line(line: bytes) -> bytes:
    """A line of an exported log in its own form: as it is, or what an event was made of.

    An event that is not exactly what its line makes is given back as it is: then it is no line of a log.
    """
    try:
        text = line.decode("ascii").removesuffix("\n")
        raw = parsed(text).get("raw_data")
        if isinstance(raw, str) and line.endswith(b"\n") and event_of(raw) == text:
            return f"{raw}\n".encode("ascii")
    except (NotSigned, ValueError):
        pass
    return line


def _record_event(line: str) -> dict[str, Any]:
    record = read_record(line)
    body = parsed(record.body)
    failed = is_denial(record) or record.kind in {"stopped", "limited"}
    event = _event(line, record.kind, _ACTIVITIES.get(record.kind, OTHER), record.at, failed=failed)
    event["metadata"] |= {"tenant_uid": record.tenant, "sequence": record.sequence, "uid": record.digest}
    person = body.get("person") or body.get("subject") or body.get("author")
    client = body.get("assistant") or body.get("key")
    event["actor"] = {"user": {"uid": person}} if person else {"app_name": "Ringfence"}
    event["src_endpoint"] = {"uid": client} if client else {"svc_name": "ringfence"}
    event["resources"] = [{"uid": uid, "type": "document"} for uid in sorted(set(_documents(body)))]
    if isinstance(body.get("code"), str):
        event["status_code"] = body["code"]
    event["unmapped"] = body
    return event


def _statement_event(line: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Of a checkpoint, and of the statement what the file holds."""
    try:
        at = datetime.fromisoformat(str(fields.get("at")))
    except ValueError:
        raise NotSigned("unreadable") from None
    event = _event(line, str(fields.get("format")).replace(" ", "_"), OTHER, at, failed=False)
    event["metadata"] |= {"tenant_uid": fields.get("tenant")}
    return event | {"actor": {"app_name": "Ringfence"}, "src_endpoint": {"svc_name": "ringfence"}}


def _event(line: str, operation: str, activity: int, at: datetime, *, failed: bool) -> dict[str, Any]:
    return {
        "class_uid": API_ACTIVITY,
        "category_uid": APPLICATION_ACTIVITY,
        "activity_id": activity,
        "activity_name": operation,
        "type_uid": API_ACTIVITY * 100 + activity,
        "severity_id": LOW if failed else INFORMATIONAL,
        "status_id": FAILURE if failed else SUCCESS,
        "time": round(at.timestamp() * 1000),
        "api": {"operation": operation, "service": {"name": "ringfence"}},
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "Ringfence", "vendor_name": "Ringfence"},
            "log_name": "audit",
            "log_version": MAPPING,
        },
        "raw_data": line,
    }


def _documents(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == "document" and isinstance(item, str):
                yield item
            else:
                yield from _documents(item)
    elif isinstance(value, list):
        for item in value:
            yield from _documents(item)
