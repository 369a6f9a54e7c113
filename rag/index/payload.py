"""What a point carries besides its vectors: attributes of its document, never who may read it.

So a policy edit writes nothing to the index and holds on the very next question.
"""

import json
from types import MappingProxyType
from typing import Any

from policies.rules import Attributes
from rag.domain import content_id, digest_of
from rag.index.store import Payload

SEAL_KEY = "acl_schema"
SEAL = "v2"
"""Written after validation only. Every filter asks for it: a point without it is nobody's."""

LABELS_KEY = "labels"
"""A digest of the seal, the tenant and all labels but the document's id: equal for all points that share them."""

# What filters ask for, and so what is indexed.
TEXTS = ("tenant", SEAL_KEY, LABELS_KEY, "document", "department", "owner")
LISTS = ("tags", "shares", "denied_shares", "compartments")
KEYWORDS = (*TEXTS, *LISTS)
INTEGERS = ("level", "epoch")
"""Compared by range only: exact matches of numbers differ between engines with and without an index."""


def payload_of(attributes: Attributes, *, version: str, attribute_version: int, policy_epoch: int) -> Payload:
    """The sealed payload of a chunk with these effective attributes; equal for all chunks that share them.

    `policy_epoch` is the tenant's epoch when the content was written: plans of an older epoch cannot see it.
    """
    payload: dict[str, Any] = {
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
    return MappingProxyType({**payload, LABELS_KEY: labels_digest(payload)})


def labels_digest(payload: Payload) -> str:
    """What belongs under `LABELS_KEY`, from the labels beside it.

    Raises:
        KeyError, TypeError: labels are missing, or are none.
    """
    # As JSON, so that a number and the text of it differ.
    texts = [json.dumps(payload[key]) for key in (SEAL_KEY, "tenant", "department", "owner", "level")]
    lists = ["\n".join(sorted(_list(payload[key]))) for key in LISTS]
    return content_id("lbl", digest_of([*texts, *lists]))


def attributes_in(payload: Payload) -> Attributes:
    """The labels of a payload that `check_payload` let in."""
    names: dict[str, Any] = {key: frozenset(_list(payload[key])) for key in LISTS}
    texts: dict[str, Any] = {key: payload[key] for key in ("tenant", "document", "department", "owner", "level")}
    return Attributes(**texts, **names)


def _list(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("a list of names is a list")
    return value
