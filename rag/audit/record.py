"""What an audit record may say: ids, numbers and keyed digests. There is no way to put a sentence into it.

Bodies are checked, not trusted: a string with a space, a bracket or more than `STRING_CHARS_MAX` characters is
refused, whoever wrote it, so document text and questions cannot slip into a log that is kept for years.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from rag.domain import digest_of
from rag.errors import RingfenceError

AuditScalar: TypeAlias = str | int | float | bool | None
AuditValue: TypeAlias = "AuditScalar | Sequence[AuditValue] | Mapping[str, AuditValue]"
AuditBody: TypeAlias = Mapping[str, "AuditValue"]

STRING_CHARS_MAX = 160
ITEMS_MAX = 1000
DEPTH_MAX = 4
BODY_CHARS_MAX = 64_000
NO_PREVIOUS = "0" * 64

_STRING = re.compile(rf"[A-Za-z0-9_.:@/+-]{{0,{STRING_CHARS_MAX}}}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")


class UnfitRecord(RingfenceError):
    """A record that holds something other than ids, numbers and digests: a mistake of ours, and never written."""

    code = "unfit_audit_record"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One link of a tenant's chain. `body` is canonical JSON, exactly the bytes that were hashed."""

    tenant: str
    sequence: int
    at: datetime
    kind: str
    body: str
    previous: str
    digest: str

    def recomputed(self) -> str:
        """The digest that these fields should have."""
        return record_digest(self.tenant, self.sequence, self.at, self.kind, self.body, self.previous)


def record_digest(tenant: str, sequence: int, at: datetime, kind: str, body: str, previous: str) -> str:
    """SHA-256 over the fields, each preceded by its length; `at` in UTC to the microsecond."""
    moment = at.isoformat(timespec="microseconds")
    return digest_of((tenant, str(sequence), moment, kind, body, previous)).hex()


def checked_kind(kind: str) -> str:
    """Return `kind` if it is a plain lower-case name.

    Raises:
        UnfitRecord: it is not.
    """
    if not _KIND.fullmatch(kind):
        raise UnfitRecord("An audit record's kind is a lower-case name of at most 32 characters.")
    return kind


def canonical(body: AuditBody) -> str:
    """The one spelling of a body: keys sorted, no spaces, ASCII.

    Raises:
        UnfitRecord: names the field, never its value.
    """
    written = json.dumps(_checked(body, "body", 0), sort_keys=True, separators=(",", ":"), allow_nan=False)
    if len(written) > BODY_CHARS_MAX:
        raise UnfitRecord(f"An audit record is at most {BODY_CHARS_MAX} characters.")
    return written


def _checked(value: object, where: str, depth: int) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnfitRecord(f"{where} of an audit record is not a finite number.")
        return value
    if isinstance(value, str):
        if not _STRING.fullmatch(value):
            raise UnfitRecord(f"{where} of an audit record is not an id: only ids, numbers and digests are recorded.")
        return value
    if depth >= DEPTH_MAX:
        raise UnfitRecord(f"{where} of an audit record is nested too deeply.")
    if isinstance(value, Mapping):
        return _checked_mapping(value, where, depth)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        if len(value) > ITEMS_MAX:
            raise UnfitRecord(f"{where} of an audit record has more than {ITEMS_MAX} items.")
        return [_checked(item, f"{where}[{n}]", depth + 1) for n, item in enumerate(value)]
    raise UnfitRecord(f"{where} of an audit record is a {type(value).__name__}, which cannot be recorded.")


def _checked_mapping(value: Mapping[object, object], where: str, depth: int) -> dict[str, object]:
    if len(value) > ITEMS_MAX:
        raise UnfitRecord(f"{where} of an audit record has more than {ITEMS_MAX} fields.")
    checked: dict[str, object] = {}
    for name, item in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UnfitRecord(f"{where} of an audit record has a field whose name is not lower-case letters.")
        checked[name] = _checked(item, f"{where}.{name}", depth + 1)
    return checked
