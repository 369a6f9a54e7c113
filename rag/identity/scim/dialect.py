"""What providers in use send otherwise than RFC 7644 says, put into its words."""

import json
from collections.abc import Iterator
from typing import Any


def plain_patch(body: bytes) -> bytes:
    """The same PATCH, where members to remove stand in the path.

    Microsoft Entra sends `{"op": "Remove", "path": "members", "value": [{"value": "..."}]}` unless it is configured
    otherwise. Refusing that would keep people in groups that they left. Anything else is returned as it is.
    """
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return body
    operations = sent.get("Operations") if isinstance(sent, dict) else None
    if not isinstance(operations, list) or not any(_removes_by_value(operation) for operation in operations):
        return body
    return json.dumps(
        sent | {"Operations": [plain for operation in operations for plain in _plain(operation)]}
    ).encode()


def _removes_by_value(operation: Any) -> bool:
    return (
        isinstance(operation, dict)
        and str(operation.get("op")).lower() == "remove"
        and operation.get("path") == "members"
        and isinstance(operation.get("value"), list)
    )


def _plain(operation: Any) -> Iterator[Any]:
    if not _removes_by_value(operation):
        yield operation
        return
    for member in operation["value"]:
        identifier = member.get("value") if isinstance(member, dict) else None
        # What names nobody stays as it was sent, and is refused.
        yield (
            {"op": "remove", "path": f"members[value eq {json.dumps(identifier)}]"}
            if isinstance(identifier, str)
            else operation
        )
