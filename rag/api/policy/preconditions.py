"""What an edit is made on, and what makes it happen once: `ETag` with `If-Match`, and `Idempotency-Key`."""

import re

from fastapi import Request

from policies.history import Retry
from policies.store import EditConflict
from rag.domain import digest_of
from rag.errors import Misuse, RingfenceError

_KEY = re.compile(r"[\x20-\x7e]{1,128}")
_TAG = re.compile(r'"([^":]+):(0|[1-9][0-9]{0,9})"')


def etag(tenant: str, epoch: int) -> str:
    """The strong tag of a tenant's policy at one epoch. It names the tenant, so that another one's never fits."""
    return f'"{tenant}:{epoch}"'


def expected_epoch(request: Request, tenant: str, *, required: bool) -> int | None:
    """The epoch that `If-Match` names; None where there is none and none is `required`.

    Raises:
        RingfenceError: `precondition_required`: it is missing, or is `*`, which names no version.
        EditConflict: it is not one tag of this policy, so nothing that stands now can match it.
        Misuse: given twice.
    """
    value = _one(request, "If-Match")
    if value is None and not required:
        return None
    if value is None or value.strip() == "*":
        raise RingfenceError(
            "Say which version the edit was made for: read the policy, and send its ETag as If-Match.",
            code="precondition_required",
        )
    found = _TAG.fullmatch(value.strip())
    if found is None or found[1] != tenant:
        raise EditConflict(f"If-Match is not the ETag of a version of tenant {tenant!r}. Read the policy again.")
    return int(found[2])


def retry_of(request: Request, operation: str, *asked: str | bytes) -> Retry | None:
    """What makes a repetition of this request the same one: `Idempotency-Key`, and all that was `asked`.

    Raises:
        Misuse: the key is given twice, or is not 1 to 128 printable ASCII characters.
    """
    key = _one(request, "Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Misuse("Idempotency-Key must be 1 to 128 printable ASCII characters.", code="invalid_idempotency_key")
    return Retry(key, digest_of((operation, *asked)).hex())


def _one(request: Request, header: str) -> str | None:
    values = request.headers.getlist(header)
    if len(values) > 1:
        raise Misuse(f"The header {header} is given {len(values)} times; give it once.", code="duplicate_header")
    return values[0] if values else None
