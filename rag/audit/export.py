"""An exported log: a file that verifies by itself, with the installation's public key and nothing else.

JSON lines, each in canonical spelling. The first is a signed statement of what the file holds, so that nothing can be
cut off; then the records, and each checkpoint after the last record that it covers. A file holds what checkpoints
cover, never more.
"""

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.chain import AuditRef, Break, ChainVerifier, VerifyResult
from rag.audit.checkpoint import CHECKPOINT, Pruned, read_pruned
from rag.audit.log import in_order
from rag.audit.record import AuditRecord
from rag.audit.signed import NotSigned, StatementSigner, opened, parsed, sign, spelled
from rag.audit.store import AuditCheckpoints
from rag.errors import Damaged, NotFound

EXPORT = "ringfence audit export 1"
RECORD = "ringfence audit record 1"
LINE_BYTES_MAX = 1 << 20


class RecordLine(BaseModel):
    """A record as it stands in a file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["ringfence audit record 1"]
    tenant: str
    sequence: int
    at: str
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    body: dict[str, Any]
    previous: str = Field(pattern=r"^[0-9a-f]{64}$")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Contents:
    """What the first line states. `checkpoint` is the digest of the last of the `checkpoints`."""

    tenant: str
    records: int
    checkpoints: int
    checkpoint: str
    pruned: str | None


async def export_log(session: AsyncSession, tenant: str, signer: StatementSigner) -> AsyncIterator[str]:
    """The lines of the file, without line breaks: everything that checkpoints cover at this moment.

    Raises:
        NotFound: no checkpoint covers anything.
    """
    checkpoints = AuditCheckpoints(session)
    last = await checkpoints.last(tenant)
    if last is None:
        raise NotFound(f"The audit log of tenant {tenant!r} has no records under a checkpoint, so nothing to export.")
    statement = await checkpoints.pruned(tenant)
    pruned = None if statement is None else _removed_by(statement)
    facts = {
        "tenant": tenant,
        "records": last.last - (0 if pruned is None else pruned),
        "checkpoints": last.number,
        "checkpoint": last.digest,
        "pruned": statement,
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    yield sign(EXPORT, facts, signer)
    async for part in in_order(session, tenant, through=last.last):
        yield part if isinstance(part, str) else record_line(part)


def _removed_by(statement: str) -> int:
    """Up to which record a stored statement says that retention removed them; 0 if it is damaged."""
    try:
        through = parsed(statement).get("through")
    except NotSigned:
        return 0
    return through if isinstance(through, int) else 0


def record_line(record: AuditRecord) -> str:
    """The record as a line of a file.

    Raises:
        Damaged: its body is not as a body is written.
    """
    try:
        body = parsed(record.body)
    except NotSigned:
        raise Damaged(
            f"Record {record.sequence} of the audit log is damaged, so it cannot be exported. "
            "`ringfence audit verify` says what else was changed.",
            code="audit_changed",
        ) from None
    return spelled(
        {
            "format": RECORD,
            "tenant": record.tenant,
            "sequence": record.sequence,
            "at": record.at.isoformat(timespec="microseconds"),
            "kind": record.kind,
            "body": body,
            "previous": record.previous,
            "digest": record.digest,
        }
    )


def read_record(line: str) -> AuditRecord:
    """The record of a line.

    Raises:
        NotSigned: it is none.
    """
    try:
        fields = RecordLine.model_validate(parsed(line))
        at = datetime.fromisoformat(fields.at)
        # Other spellings of the same moment would be edits that no digest shows.
        if at.tzinfo is None or at.isoformat(timespec="microseconds") != fields.at:
            raise NotSigned("unreadable")
        fields.tenant.encode()
    except ValueError:  # pydantic's ValidationError is one
        raise NotSigned("unreadable") from None
    body = spelled(fields.body)
    return AuditRecord(fields.tenant, fields.sequence, at, fields.kind, body, fields.previous, fields.digest)


def verify_export(lines: Iterable[bytes], keys: Collection[str], *, expected: AuditRef | None = None) -> VerifyResult:
    """Verify a file, given as its lines with their line breaks, against the public keys that may have signed it."""
    numbered = enumerate(lines, start=1)
    number, first = next(numbered, (1, b""))
    contents, pruned, refused = _contents(first, keys)
    verifier = ChainVerifier(contents.tenant if contents else "", keys, pruned=pruned, expected=expected)
    if refused is not None:
        verifier.broken(refused)
    for number, line in numbered:
        try:
            _take(_text(line), verifier)
        except NotSigned as cause:
            verifier.broken(Break(number, cause.reason, "line"))
    return _held_against(contents, verifier)


def _contents(line: bytes, keys: Collection[str]) -> tuple[Contents | None, Pruned | None, Break | None]:
    try:
        fields = opened(_text(line), EXPORT, keys)
        contents = Contents(*(fields[name] for name in ("tenant", "records", "checkpoints", "checkpoint", "pruned")))
        pruned = None if contents.pruned is None else read_pruned(contents.pruned, keys)
    except NotSigned as cause:
        return None, None, Break(1, cause.reason, "line")
    except KeyError:
        return None, None, Break(1, "unreadable", "line")
    return contents, pruned, None


def _text(line: bytes) -> str:
    if not line.endswith(b"\n"):
        raise NotSigned("unfinished")
    try:
        return line[:-1].decode("ascii")
    except UnicodeDecodeError:
        raise NotSigned("unreadable") from None


def _take(text: str, verifier: ChainVerifier) -> None:
    kind = parsed(text).get("format")
    if kind == CHECKPOINT:
        verifier.statement(text)
    elif kind == RECORD:
        record = read_record(text)
        verifier.tenant = verifier.tenant or record.tenant
        verifier.record(record)
    else:
        raise NotSigned("unreadable")


def _held_against(contents: Contents | None, verifier: ChainVerifier) -> VerifyResult:
    """What the file turned out to hold, against what its first line states."""
    if contents is not None and verifier.statement_digest != contents.checkpoint:
        missing = verifier.checkpoints < contents.checkpoints
        number = verifier.checkpoints + 1 if missing else contents.checkpoints
        verifier.broken(Break(number, "missing" if missing else "unlinked", "checkpoint"))
    result = verifier.result()
    if verifier.sequence > result.covered:
        verifier.broken(Break(result.covered + 1, "not_covered"))
    elif contents is not None and result.checked != contents.records and result.intact:
        verifier.broken(Break(verifier.sequence + 1, "missing"))
    return verifier.result()
