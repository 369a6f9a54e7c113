"""What a point carries besides its vectors: attributes of its document, never who may read it.

So a policy edit writes nothing to the index and holds on the very next question.
"""

from types import MappingProxyType

from policies.rules import Attributes
from rag.index.store import Payload

SEAL_KEY = "acl_schema"
SEAL = "v1"
"""Written after validation only. Every filter asks for it: a point without it is nobody's."""

# What filters ask for, and so what is indexed.
TEXTS = ("tenant", SEAL_KEY, "document", "department", "owner")
LISTS = ("tags", "shares", "denied_shares", "compartments")
KEYWORDS = (*TEXTS, *LISTS)
INTEGERS = ("level", "epoch")
"""Compared by range only: exact matches of numbers differ between engines with and without an index."""


def payload_of(attributes: Attributes, *, version: str, attribute_version: int, policy_epoch: int) -> Payload:
    """The sealed payload of a chunk with these effective attributes; equal for all chunks that share them.

    `policy_epoch` is the tenant's epoch when the content was written: plans of an older epoch cannot see it.
    """
    return MappingProxyType(
        {
            SEAL_KEY: SEAL,
            "tenant": attributes.tenant,
            "document": attributes.document,
            "version": version,
            "department": attributes.department,
            "level": int(attributes.level),
            "tags": sorted(attributes.tags),
            "owner": attributes.owner,
            "shares": sorted(attributes.shares),
            "denied_shares": sorted(attributes.denied_shares),
            "compartments": sorted(attributes.compartments),
            "attribute_version": attribute_version,
            "epoch": policy_epoch,
        }
    )
