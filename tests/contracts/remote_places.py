"""Places that are asked over a network, on loopback: an S3 store, and a service of documents."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from moto.server import ThreadedMotoServer

from ingestion.sources.http_service import HttpSource, Service
from ingestion.sources.identities import Identities
from ingestion.sources.labels import LabelFile
from ingestion.sources.protocol import Labels, Source
from ingestion.sources.s3 import S3Access, S3Source
from policies.rules import Level
from tests.contracts.document_service import TOKEN, Documents, application, served
from tests.contracts.source_place import ANN, BO, Place


class BucketPlace:
    """A real HTTP server that speaks S3, on loopback."""

    secrets = ("secret",)
    keeps_identity = False
    rights_move_revision = False
    moves = True
    names = True

    def path(self, name: str) -> str:
        return name

    def __init__(self, url: str, bucket: str) -> None:
        self.bucket = bucket
        self._url = url
        self.client = _client(url)
        self.client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.source = self._opened(url, "docs/")
        self.write_key("elsewhere.txt", "Not below the prefix.")

    def _opened(self, url: str, prefix: str) -> Source:
        return S3Source(
            "docs",
            self.bucket,
            S3Access(url, "eu-central-1", "key", "secret"),
            LabelFile(department="company", level="internal"),
            prefix=prefix,
            identities=Identities(users={STORE_OWNER: ANN, "b" * 64: BO}),
            from_tags=True,
        )

    def opened_again(self) -> Source:
        return self._opened(f"{self._url}/", "docs/")

    def elsewhere(self) -> Source:
        return self._opened(self._url, "other/")

    def write_key(self, key: str, content: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content.encode())

    def write(self, path: str, content: str) -> None:
        self.write_key(f"docs/{path}", content)

    def rename(self, path: str, to: str) -> None:
        source = {"Bucket": self.bucket, "Key": f"docs/{path}"}
        self.client.copy_object(Bucket=self.bucket, Key=f"docs/{to}", CopySource=source)
        self.delete(path)

    def delete(self, path: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"docs/{path}")

    def restrict(self, path: str) -> None:
        tags = {"TagSet": [{"Key": "ringfence-level", "Value": "secret"}, {"Key": "color", "Value": "red"}]}
        self.client.put_object_tagging(Bucket=self.bucket, Key=f"docs/{path}", Tagging=tags)

    def restricted(self, labels: Labels) -> bool:
        return labels.level is Level.SECRET

    def write_hostile(self) -> set[str]:
        for key in ("docs/../up.txt", "docs//x.txt", "docs/folder/", "docs/.hidden.txt"):
            self.write_key(key, "x")
        return {"../up.txt", "/x.txt", "folder/", ".hidden.txt"}

    def breaks(self) -> None:
        for entry in self.client.list_objects_v2(Bucket=self.bucket)["Contents"]:
            self.client.delete_object(Bucket=self.bucket, Key=entry["Key"])
        self.client.delete_bucket(Bucket=self.bucket)


STORE_OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
"""The canonical id that the server gives every object's owner."""


@cache
def _store() -> str:
    """One server for all places; it ends with the process."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@cache
def _client(url: str) -> Any:
    """Another program at the same store."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url=url, region_name="eu-central-1", **keys)


@contextmanager
def bucket_place(tmp_path: Path) -> Iterator[Place]:
    yield BucketPlace(_store(), f"bucket-{uuid4().hex}")


class ServicePlace:
    """Another program's service over HTTP, on loopback."""

    secrets = (TOKEN,)
    keeps_identity = True
    rights_move_revision = False
    moves = True
    names = True

    def path(self, name: str) -> str:
        return name

    def __init__(self, url: str, documents: Documents) -> None:
        self.documents = documents
        self._url = url
        self.source = self._opened(url)

    def _opened(self, url: str) -> Source:
        identities = Identities(users={"u-1": ANN}, groups={"g-1": "group:staff"})
        labels = LabelFile(department="company", level="internal")
        return HttpSource("docs", Service(url, TOKEN), labels, identities)

    def opened_again(self) -> Source:
        return self._opened(f"{self._url.upper()}/")

    def elsewhere(self) -> Source:
        return self._opened(f"{self._url}/other")

    def write(self, path: str, content: str) -> None:
        self.documents.write(path, content)

    def rename(self, path: str, to: str) -> None:
        self.documents.change(path, path=to)

    def delete(self, path: str) -> None:
        self.documents.change(path, removed=True)

    def restrict(self, path: str) -> None:
        self.documents.change(path, readers=[{"kind": "user", "id": "u-1"}])

    def restricted(self, labels: Labels) -> bool:
        return labels.owner == ANN and labels.shares == {ANN}

    def write_hostile(self) -> set[str]:
        hostile = {"../up.txt", "/etc/passwd", "a//b.txt", "x/.git/config"}
        for path in hostile:
            self.documents.write(path, "x")
        return hostile

    def breaks(self) -> None:
        self.documents.broken = True


@contextmanager
def service_place(tmp_path: Path) -> Iterator[Place]:
    documents = Documents()
    with served(application(documents)) as url:
        yield ServicePlace(url, documents)
