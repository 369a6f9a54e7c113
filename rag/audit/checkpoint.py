"""What the installation signs about its log: a checkpoint for each batch of records, and what retention removed.

A checkpoint covers the records `first` to `last` by a Merkle root over their digests, and the checkpoint before it by
that one's digest. Whoever can write to the database but has no signing key can change nothing that a checkpoint
covers without being found.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rag.audit.merkle import MerkleTree
from rag.audit.record import NO_PREVIOUS, AuditRecord
from rag.audit.signed import NotSigned, StatementSigner, opened, sign

CHECKPOINT = "ringfence audit checkpoint 1"
PRUNED = "ringfence audit pruned 1"

CHECKPOINT_EVERY = 256
"""Records after which the service signs a checkpoint by itself."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed batch. `head` is the digest of record `last`; `text` is the statement, exactly as signed."""

    tenant: str
    number: int
    first: int
    last: int
    head: str
    root: str
    previous: str
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A checkpoint as it is stored, verified by nobody yet: what the next one goes on from."""

    number: int
    last: int
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """Retention removed the records up to `through`, the last one of checkpoint `checkpoint`."""

    tenant: str
    through: int
    checkpoint: int
    at: str
    text: str


def statement_digest(text: str) -> str:
    """What the next checkpoint names as the one before it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Batch:
    """The records since the last checkpoint, as they come."""

    def __init__(self) -> None:
        self._tree = MerkleTree()
        self._last: AuditRecord | None = None
        self._first = 0

    def add(self, record: AuditRecord) -> None:
        self._first = self._first or record.sequence
        self._last = record
        self._tree.add(bytes.fromhex(record.recomputed()))

    @property
    def root(self) -> str:
        return self._tree.root().hex()

    def sealed(self, before: Link | None, signer: StatementSigner) -> Checkpoint | None:
        """The signed checkpoint of the batch, after the one before it; None for an empty batch."""
        if self._last is None:
            return None
        facts: dict[str, Any] = {
            "tenant": self._last.tenant,
            "number": 1 if before is None else before.number + 1,
            "first": self._first,
            "last": self._last.sequence,
            "head": self._last.digest,
            "root": self.root,
            "previous": NO_PREVIOUS if before is None else before.digest,
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        return Checkpoint(**facts, text=sign(CHECKPOINT, facts, signer))


def read_checkpoint(text: str, keys: Collection[str]) -> Checkpoint:
    """The checkpoint, if one of the keys signed it.

    Raises:
        NotSigned: none did.
    """
    return Checkpoint(**_facts(opened(text, CHECKPOINT, keys), Checkpoint), text=text)


def read_pruned(text: str, keys: Collection[str]) -> Pruned:
    """The statement of what retention removed, if one of the keys signed it.

    Raises:
        NotSigned: none did.
    """
    return Pruned(**_facts(opened(text, PRUNED, keys), Pruned), text=text)


def sign_pruned(checkpoint: Checkpoint, signer: StatementSigner) -> Pruned:
    """State that the records up to the last one of this checkpoint are removed."""
    facts: dict[str, Any] = {
        "tenant": checkpoint.tenant,
        "through": checkpoint.last,
        "checkpoint": checkpoint.number,
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    return Pruned(**facts, text=sign(PRUNED, facts, signer))


def _facts(fields: dict[str, Any], shape: type) -> dict[str, Any]:
    """The fields of a statement that was signed: of this shape, unless another release signed it."""
    expected = {name: kind for name, kind in shape.__annotations__.items() if name != "text"}
    facts = {name: value for name, value in fields.items() if name not in {"format", "public_key"}}
    if facts.keys() != expected.keys() or any(type(facts[name]) is not kind for name, kind in expected.items()):
        raise NotSigned("unreadable")
    return facts
