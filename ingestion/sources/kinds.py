"""The kinds of sources that a `sources.yaml` can hold, each with its fields."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingestion.sources.endpoints import SecretPlace, Transport, require_address
from ingestion.sources.folder import FolderSource
from ingestion.sources.git import GitSource
from ingestion.sources.http_service import HttpSource, Service
from ingestion.sources.identities import Identities
from ingestion.sources.imap import ImapSource
from ingestion.sources.imap_session import Account
from ingestion.sources.labels import LabelFile
from ingestion.sources.mbox import MboxSource
from ingestion.sources.names import path_reason
from ingestion.sources.posix_folder import PosixFolderSource
from ingestion.sources.protocol import Source
from ingestion.sources.s3 import S3Access, S3Source


class _Configured(BaseModel):
    """One entry under `sources`. `open` gives the source of this name, or raises `Misuse`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def open(self, name: str) -> Source:
        raise NotImplementedError


class Folder(_Configured):
    kind: Literal["folder"]
    path: Path

    def open(self, name: str) -> Source:
        return FolderSource(self.path, name)


class PosixFolder(_Configured):
    """`everybody` is the gid, as text, that stands for all accounts of the machine; empty: nobody does."""

    kind: Literal["posix"]
    path: Path
    identities: Identities
    everybody: str = ""
    searched_from: Path = Path("/")

    @model_validator(mode="after")
    def _numbers(self) -> "PosixFolder":
        for known in (*self.identities.users, *self.identities.groups, *([self.everybody] if self.everybody else [])):
            if not known.isdecimal() or not known.isascii():
                raise ValueError(f"{known[:40]!r} is no uid or gid; names are not taken, they can be given anew")
        if self.everybody and self.everybody not in self.identities.groups:
            raise ValueError("everybody must be one of identities.groups")
        return self

    def open(self, name: str) -> Source:
        return PosixFolderSource(
            self.path, name, self.identities, everybody=self.everybody, searched_from=self.searched_from
        )


class GitRepository(_Configured):
    """With `labels`, the `ringfence.yaml` files of the repository are not read: who may commit cannot label."""

    kind: Literal["git"]
    path: Path
    reference: str = ""
    labels: LabelFile | None = None

    def open(self, name: str) -> Source:
        return GitSource(self.path, name, reference=self.reference, labels=self.labels)


class Bucket(_Configured):
    """`tags: label` lets an object's tags label it. With `identities`, shares come from the access control lists."""

    kind: Literal["s3"]
    bucket: str = Field(min_length=1)
    prefix: str = ""
    endpoint_url: str = ""
    region: str = ""
    access_key: SecretPlace | None = None
    secret_key: SecretPlace | None = None
    ca_file: Path | None = None
    transport: Transport = "tls"
    labels: LabelFile
    tags: Literal["ignore", "label"] = "ignore"
    identities: Identities | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "Bucket":
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        if self.identities is not None:
            self.identities.require_unambiguous()
        if self.endpoint_url:
            require_address(self.endpoint_url, self.transport)
        return self

    def open(self, name: str) -> Source:
        access = S3Access(
            self.endpoint_url,
            self.region,
            self.access_key.read() if self.access_key else "",
            self.secret_key.read() if self.secret_key else "",
            str(self.ca_file or ""),
        )
        return S3Source(
            name,
            self.bucket,
            access,
            self.labels,
            prefix=self.prefix,
            identities=self.identities,
            from_tags=self.tags == "label",
        )


class DocumentService(_Configured):
    """A service as in deploy/source-protocol.md."""

    kind: Literal["http"]
    url: str
    token: SecretPlace
    ca_file: Path | None = None
    transport: Transport = "tls"
    labels: LabelFile
    identities: Identities = Identities()

    @model_validator(mode="after")
    def _reachable(self) -> "DocumentService":
        self.identities.require_unambiguous()
        require_address(self.url, self.transport)
        return self

    def open(self, name: str) -> Source:
        service = Service(self.url.rstrip("/"), self.token.read(), str(self.ca_file or ""))
        return HttpSource(name, service, self.labels, self.identities)


class Mailboxes(_Configured):
    """`mailboxes` are named as the server names them: in ASCII, others in its own encoding of them. Patterns under
    `files:` are in plain letters, with "/" between folders.

    With `identities`, shares come from the mailboxes' access control lists, which know people by their logins.
    """

    kind: Literal["imap"]
    host: str = Field(min_length=1)
    port: int = Field(993, ge=1, le=65535)
    user: str = Field(min_length=1)
    password: SecretPlace
    mailboxes: tuple[str, ...] = Field(("INBOX",), min_length=1)
    ca_file: Path | None = None
    transport: Transport = "tls"
    labels: LabelFile
    identities: Identities | None = None

    @model_validator(mode="after")
    def _names(self) -> "Mailboxes":
        if self.identities is not None:
            self.identities.require_unambiguous()
        for mailbox in self.mailboxes:
            if not _MAILBOX.fullmatch(mailbox) or path_reason(mailbox) is not None:
                raise ValueError(f"{mailbox[:40]!r} is no name of a mailbox")
        if len(set(self.mailboxes)) != len(self.mailboxes):
            raise ValueError("a mailbox stands twice in mailboxes")
        return self

    def open(self, name: str) -> Source:
        ca_file, tls = str(self.ca_file or ""), self.transport == "tls"
        account = Account(self.host, self.port, self.user, self.password.read(), ca_file, tls)
        return ImapSource(name, account, self.mailboxes, self.labels, self.identities)


class MailboxFile(_Configured):
    kind: Literal["mbox"]
    path: Path
    labels: LabelFile

    def open(self, name: str) -> Source:
        return MboxSource(name, self.path, self.labels)


_MAILBOX = re.compile(r"[ !#-\[\]-~]{1,200}")
"""Printable ASCII without what would end a quoted text."""

_Kinds = Folder | PosixFolder | GitRepository | Bucket | DocumentService | Mailboxes | MailboxFile
Configured = Annotated[_Kinds, Field(discriminator="kind")]
