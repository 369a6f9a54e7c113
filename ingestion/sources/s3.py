"""A bucket of an S3-compatible store: `kind: s3`.

The key below the prefix is a document's identity: the store knows no renames. Labels come from the configuration and,
where it says so, from an object's tags (`ringfence-level: secret`, lists separated by spaces); shares come from an
object's access control list. Policies of buckets and of people are not read: who may read by them alone gets no share.
"""

import importlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pydantic import ValidationError

from ingestion.sources.configured import ConfiguredLabels
from ingestion.sources.endpoints import normalised
from ingestion.sources.identities import Identities, Mapped, Permissions, SourcePrincipal
from ingestion.sources.labels import LabelFile
from ingestion.sources.names import path_reason, printable
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing, Skipped, SourcePlace, Unlabelled, unreadable
from policies.rules import InvalidRule, plain_name
from rag.domain import digest_of
from rag.errors import Misuse
from rag.hidden_content import HiddenAction, HiddenKind

CONNECT_S, READ_S, ATTEMPTS = 10, 60, 3
TAG_PREFIX = "ringfence-"
_LISTS = ("tags", "shares", "denied_shares", "compartments")
_WORDS = ("department", "level", "owner")
_READ = ("READ", "FULL_CONTROL")
_GONE = ("NoSuchKey", "404", "NoSuchVersion")


@dataclass(frozen=True, slots=True)
class ObjectItem:
    """One object: a `SourceItem`."""

    client: Any = field(repr=False)
    bucket: str
    key: str = field(repr=False)
    path: str = field(repr=False)
    size: int
    modified_ns: int
    etag: str
    labels: Labels | Unlabelled
    hidden: Mapping[HiddenKind, HiddenAction] = field(default_factory=dict)
    replaced: bool = False
    """Its labels were read of another object under the same key."""
    configured: ConfiguredLabels | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        return self.path

    def singles_out(self, member: str) -> bool:
        return self.configured is not None and self.configured.singled_out(self.path, member)

    @property
    def revision(self) -> str:
        """Of this object in this store: an entity tag need not be made of the content."""
        if self.replaced:
            return ""
        place = (self.client.meta.endpoint_url, self.bucket, self.key)
        return digest_of([*place, self.etag, str(self.size), str(self.modified_ns)]).hex()

    def open(self) -> BinaryIO:
        errors = _errors()
        if self.replaced:
            raise ChangedSinceListed("the object was replaced while it was listed")
        try:
            with self.client.get_object(Bucket=self.bucket, Key=self.key, IfMatch=self.etag)["Body"] as body:
                data = body.read(self.size + 1)
        except errors.ClientError as cause:
            raise ChangedSinceListed(f"the object cannot be had as it was listed ({_code(cause)})") from cause
        except (errors.BotoCoreError, errors.HTTPClientError) as cause:
            raise OSError(f"the object could not be read ({type(cause).__name__})") from cause
        if len(data) != self.size:
            raise ChangedSinceListed("the object has another size than it was listed with")
        return io.BytesIO(data)


@dataclass(frozen=True, slots=True)
class S3Access:
    """How the store is reached. Without keys, as boto3 finds them: from the machine's role or its configuration."""

    endpoint_url: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    ca_file: str = ""


class S3Source:
    """The objects of `bucket` whose keys begin with `prefix`.

    `identities` given: shares come from the objects' access control lists, whose people are canonical ids and whose
    groups are addresses. `from_tags`: the tags of an object may label it.
    """

    def __init__(
        self,
        name: str,
        bucket: str,
        access: S3Access,
        labels: LabelFile,
        *,
        prefix: str = "",
        identities: Identities | None = None,
        from_tags: bool = False,
    ) -> None:
        self.name = plain_name(name, "source")
        self._bucket = bucket
        self._prefix = prefix
        self._labels = labels
        self._identities = identities
        self._from_tags = from_tags
        self._client = _client(access)
        self.place = SourcePlace(f"s3://{bucket}/{prefix} at {normalised(self._client.meta.endpoint_url)}")

    def listing(self, since: str = "") -> Listing:
        labels, mapped = ConfiguredLabels(self._labels), Mapped(self._identities or Identities())
        items: list[ObjectItem] = []
        skipped: list[Skipped] = []
        errors = _errors()
        try:
            for entry in self._entries():
                path = entry["Key"][len(self._prefix) :]
                if not path.rpartition("/")[2] and not entry["Size"]:
                    # What consoles write for a folder that was made there.
                    skipped.append(Skipped(printable(path), "folder"))
                elif (reason := path_reason(path)) is not None:
                    skipped.append(Skipped(printable(path), reason))
                elif (item := self._item(entry, path, labels, mapped)) is not None:
                    items.append(item)
        except (errors.ClientError, errors.BotoCoreError, errors.HTTPClientError) as cause:
            why = _code(cause) if isinstance(cause, errors.ClientError) else type(cause).__name__
            what = f"The bucket of the source {self.name!r}, {self.place.shown},"
            check = "that the store can be reached from here, and that its key may list the bucket and read its objects"
            raise unreadable(what, why, check=check) from cause
        items.sort(key=lambda item: item.path)
        return Listing(tuple(items), tuple(skipped), (*labels.notices(), *mapped.notices()))

    def _entries(self) -> Iterable[Mapping[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            yield from page.get("Contents", ())

    def _item(
        self, entry: Mapping[str, Any], path: str, configured: ConfiguredLabels, mapped: Mapped
    ) -> ObjectItem | None:
        """The object with its labels, or None where it is gone."""
        key = {"Bucket": self._bucket, "Key": entry["Key"]}
        try:
            own = self._tag_labels(key) if self._from_tags else None
            labels, hidden = (own, {}) if isinstance(own, Unlabelled) else configured.of(path, own)
            if self._identities is not None:
                labels = mapped.labelled(labels, _permissions(self._client.get_object_acl(**key)))
            asked = self._from_tags or self._identities is not None
            # A new object under a key comes with tags and a list of its own: they are not for the bytes of the old one.
            replaced = asked and self._client.head_object(**key)["ETag"] != entry["ETag"]
        except _errors().ClientError as cause:
            if _code(cause) in _GONE:
                return None
            raise
        return ObjectItem(
            self._client,
            self._bucket,
            entry["Key"],
            path,
            entry["Size"],
            int(entry["LastModified"].timestamp() * 10**9),
            entry["ETag"],
            labels,
            hidden,
            replaced,
            configured,
        )

    def _tag_labels(self, key: Mapping[str, str]) -> LabelFile | Unlabelled:
        """What the tags of an object say. One that cannot be used labels nothing: a slip must not loosen."""
        given: dict[str, Any] = {}
        for tag in self._client.get_object_tagging(**key)["TagSet"]:
            if tag["Key"].lower().startswith(TAG_PREFIX):
                name = tag["Key"].removeprefix(TAG_PREFIX).replace("-", "_")
                given[name] = tag["Value"].split() if name in _LISTS else tag["Value"]
        if unknown := sorted(given.keys() - {*_LISTS, *_WORDS}):
            return Unlabelled(f"the object has a tag that only looks like one of {TAG_PREFIX}: {unknown[0][:40]}")
        try:
            return LabelFile.model_validate(given)
        except (ValidationError, InvalidRule):
            return Unlabelled(f"a tag of the object that begins with {TAG_PREFIX} has a value that is not taken")


def _permissions(acl: Mapping[str, Any]) -> Permissions:
    """Source: Amazon S3 user guide, "Access control list (ACL) overview": READ of an object is reading its data."""
    owner = acl.get("Owner", {}).get("ID")
    readers: set[SourcePrincipal] = set()
    for grant in acl["Grants"]:
        grantee = grant["Grantee"]
        if grant["Permission"] in _READ and grantee["Type"] == "CanonicalUser":
            readers.add(SourcePrincipal("user", grantee["ID"]))
        elif grant["Permission"] in _READ and grantee["Type"] == "Group":
            readers.add(SourcePrincipal("group", grantee["URI"]))
    owning = SourcePrincipal("user", owner) if owner else None
    return Permissions(owning if owning in readers else None, frozenset(one for one in readers if one != owning))


def _client(access: S3Access) -> Any:
    try:
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    except ImportError:
        raise Misuse("A source of kind s3 needs the package boto3: pip install 'ringfence[s3]'.") from None
    session = boto3.session.Session(
        aws_access_key_id=access.access_key or None, aws_secret_access_key=access.secret_key or None
    )
    return session.client(
        "s3",
        endpoint_url=access.endpoint_url or None,
        region_name=access.region or None,
        verify=access.ca_file or None,
        config=config.Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            # A store on a bare address has no names for its buckets.
            s3={"addressing_style": "path"} if access.endpoint_url else {},
        ),
    )


def _errors() -> Any:
    return importlib.import_module("botocore.exceptions")


def _code(cause: Any) -> str:
    return str(cause.response.get("Error", {}).get("Code", "unknown"))
