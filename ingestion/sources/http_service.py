"""A service that gives out documents and who may read them over HTTP: `kind: http`. See deploy/source-protocol.md.

The service keeps an id for every document, so a document stays the same one when it gets another name. A listing since
a cursor says only what is new.
"""

import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from ingestion.sources.configured import ConfiguredLabels
from ingestion.sources.endpoints import normalised
from ingestion.sources.http_answers import Document, DocumentPage, Page, PermissionPage, Reading
from ingestion.sources.identities import Identities, Mapped
from ingestion.sources.labels import LabelFile
from ingestion.sources.names import path_reason, printable
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing, Skipped, SourcePlace, Unlabelled, unreadable
from policies.rules import plain_name
from rag.domain import digest_of
from rag.errors import Unavailable
from rag.hidden_content import HiddenAction, HiddenKind

CONNECT_S, QUIET_S, ANSWER_S = 10.0, 30.0, 300.0
"""To connect, between two pieces of an answer, and for a whole one."""
PAGE_BYTES_MAX = 16 * 2**20
PAGES_MAX = 100_000
TRIES = 3
"""How often the two lists are asked for until they are of one moment."""

P = TypeVar("P", bound=Page)


class ServiceFailed(OSError):
    """The service did not answer, or not as the protocol has it. The message holds no document and no secret."""


class Service:
    """One service, asked with a bearer token. Follows no redirect: the token is for this address alone."""

    def __init__(self, url: str, token: str, ca_file: str = "") -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        self._verify = httpx.create_ssl_context(verify=ca_file) if ca_file else True

    def pages(self, path: str, shape: type[P], since: str) -> Iterator[P]:
        """Raises `ServiceFailed`."""
        token, seen = "", set[str]()
        while True:
            asked = {name: value for name, value in (("since", since), ("page", token)) if value}
            body, _ = self.get(path, PAGE_BYTES_MAX, asked)
            try:
                page = shape.model_validate_json(body)
            except ValidationError as cause:
                places = sorted({".".join(map(str, error["loc"])) for error in cause.errors()})
                raise ServiceFailed(f"an answer to {path} is not of the protocol at {', '.join(places[:3])}") from None
            yield page
            token = page.next
            if not token:
                return
            seen.add(token)
            if len(seen) > PAGES_MAX or asked.get("page") == token:
                raise ServiceFailed(f"the pages of {path} have no end")

    def get(self, path: str, bytes_max: int, asked: Mapping[str, str] | None = None) -> tuple[bytes, str]:
        """The body and the entity tag of an answer. Raises `ServiceFailed`."""
        deadline = time.monotonic() + ANSWER_S
        timeout = httpx.Timeout(QUIET_S, connect=CONNECT_S)
        body = bytearray()
        try:
            # Without the environment: a proxy must not see the token.
            with (
                httpx.Client(timeout=timeout, verify=self._verify, trust_env=False, headers=self._headers) as client,
                client.stream("GET", f"{self.url}{path}", params=dict(asked or {})) as response,
            ):
                if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
                    raise ServiceFailed(f"it answered with status {response.status_code}")
                for piece in response.iter_raw():
                    body += piece
                    if len(body) > bytes_max:
                        raise ServiceFailed(f"an answer is larger than {bytes_max} bytes")
                    if time.monotonic() > deadline:
                        raise ServiceFailed(f"an answer took more than {ANSWER_S:.0f} s")
        except httpx.HTTPError as cause:
            raise ServiceFailed(type(cause).__name__) from cause
        return bytes(body), response.headers.get("etag", "").strip('"')


@dataclass(frozen=True, slots=True)
class ServiceItem:
    """One document of a service: a `SourceItem`."""

    service: Service = field(repr=False)
    identity: str
    tag: str
    """The service's own word for the revision."""
    path: str = field(repr=False)
    size: int
    modified_ns: int
    labels: Labels | Unlabelled
    hidden: Mapping[HiddenKind, HiddenAction] = field(default_factory=dict)
    configured: ConfiguredLabels | None = field(default=None, repr=False)

    @property
    def revision(self) -> str:
        """Of this service: another one may have the same ids and numbers for other documents."""
        return digest_of([self.service.url, self.tag]).hex()

    def singles_out(self, member: str) -> bool:
        return self.configured is not None and self.configured.singled_out(self.path, member)

    def open(self) -> BinaryIO:
        data, tag = self.service.get(_content(self.identity), self.size)
        if tag != self.tag or len(data) != self.size:
            raise ChangedSinceListed("the service gives out another revision than it listed")
        return io.BytesIO(data)


class HttpSource:
    """The documents of a service, labelled by the configuration and shared as the service says."""

    def __init__(self, name: str, service: Service, labels: LabelFile, identities: Identities) -> None:
        self.name = plain_name(name, "source")
        self.place = SourcePlace(normalised(service.url))
        self._service = service
        self._labels = labels
        self._identities = identities
        # What was listed elsewhere, or under other words, is listed again in full.
        self._words = digest_of([service.url, labels.model_dump_json(), identities.model_dump_json()]).hex()[:16]

    def listing(self, since: str = "") -> Listing:
        words, _, cursor = since.partition(" ")
        try:
            for _ in range(TRIES):
                taken = self._taken(cursor if words == self._words else "")
                if taken is not None:
                    return self._labelled(*taken)
        except ServiceFailed as cause:
            what = f"The service of the source {self.name!r} at {self.place.shown}"
            check = "that it runs, can be reached from here, and takes the token"
            raise unreadable(what, cause, check=check) from cause
        raise Unavailable(
            f"The source {self.name!r} is changing too fast: its documents and its permissions were never of one "
            "revision; nothing was changed. Try again.",
            code="source_changing",
        )

    def _taken(self, since: str) -> tuple[DocumentPage, list[Document], dict[str, Reading]] | None:
        """Both lists, or None where they are not of one moment: then rights could be those of other content."""
        pages = list(self._service.pages("/documents", DocumentPage, since))
        documents = [document for page in pages for document in page.documents]
        given = [one for page in self._service.pages("/permissions", PermissionPage, since) for one in page.permissions]
        readings = {one.id: one for one in given}
        if len(readings) != len(given) or len({document.id for document in documents}) != len(documents):
            raise ServiceFailed("one id stands twice in a list")
        if not pages[0].complete and readings.keys() - {document.id for document in documents}:
            return None  # new rights of a document that was not listed would be lost with this cursor
        for document in documents:
            reading = readings.get(document.id)
            if not document.removed and (reading is None or reading.revision != document.revision):
                return None
        return pages[0], documents, readings

    def _labelled(self, first: DocumentPage, documents: list[Document], readings: Mapping[str, Reading]) -> Listing:
        configured, mapped = ConfiguredLabels(self._labels), Mapped(self._identities)
        items: list[ServiceItem] = []
        skipped: list[Skipped] = []
        removed = [document.id for document in documents if document.removed]
        for document in documents:
            if document.removed:
                continue
            if (reason := path_reason(document.path)) is not None:
                skipped.append(Skipped(printable(document.path), reason))
                removed.append(document.id)
                continue
            labels, hidden = configured.of(document.path)
            labels = mapped.labelled(labels, readings[document.id].permissions())
            modified_ns = document.modified_ms * 10**6
            items.append(
                ServiceItem(
                    self._service,
                    document.id,
                    document.revision,
                    document.path,
                    document.size,
                    modified_ns,
                    labels,
                    hidden,
                    configured,
                )
            )
        items.sort(key=lambda item: (item.path, item.identity))
        # A part of the documents says nothing about patterns that match nothing.
        notices = (*(configured.notices() if first.complete else ()), *mapped.notices())
        cursor = f"{self._words} {first.cursor}" if first.cursor else ""
        return Listing(tuple(items), tuple(skipped), notices, first.complete, tuple(removed), cursor)


def _content(identity: str) -> str:
    return f"/documents/{quote(identity, safe='')}/content"
