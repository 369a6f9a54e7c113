"""What would be masked in files, found as ingestion finds it: same parser process, same texts. Nothing is kept."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from ingestion.archives import unpacked
from ingestion.parse.document import Reason, Refused
from ingestion.parts import Parser
from ingestion.prepare import searched_texts
from ingestion.sources.folder import FolderSource
from rag.errors import Misuse
from rag.privacy.findings import Finding

FIRST_WITH_PATH = 1
IN_WORDS = 2
CONTEXT_CHARS = 60


class TenantFinding(Protocol):
    """The part of a tenant's privacy that a scan uses."""

    def find(self, texts: Sequence[str], *, everywhere: bool = True) -> list[list[Finding]]: ...


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that would be masked, with what stands around it."""

    entity: str
    score: float
    value: str = field(repr=False)
    before: str = field(repr=False)
    after: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Scanned:
    """One file. `refusal` says why it could not be analysed; then nothing of it would be indexed."""

    path: str = field(repr=False)
    media_type: str = ""
    hits: tuple[Hit, ...] = field(default=(), repr=False)
    refusal: str = ""

    @property
    def entities(self) -> Counter[str]:
        return Counter(hit.entity for hit in self.hits)


def scan(
    place: Path, parser: Parser, privacy: TenantFinding, bytes_max: int, *, everywhere: bool = True
) -> Iterator[Scanned]:
    """Each file below `place`, or the file itself, in order. `everywhere`: further mentions are counted too.

    Raises:
        Misuse: there is no such file or folder.
    """
    for path, opened in _files(place, bytes_max, parser):
        try:
            yield _scanned(path, opened.read(), parser, privacy, everywhere=everywhere)
        except Refused as refusal:
            yield Scanned(path, refusal=refusal.sentence)


def _scanned(path: str, data: bytes, parser: Parser, privacy: TenantFinding, *, everywhere: bool) -> Scanned:
    parsed = parser.parse(data, path)
    texts = searched_texts(parsed, path)
    try:
        found = privacy.find(texts, everywhere=everywhere)
    except Exception as cause:  # noqa: BLE001 - whatever a recognizer raises, ingestion would refuse the document
        raise Refused(Reason.MASKING_FAILED, type(cause).__name__) from None
    # The path is searched in two spellings and kept in one.
    left_out = FIRST_WITH_PATH if found[IN_WORDS] else IN_WORDS
    hits = [
        _hit(text, finding)
        for number, (text, findings) in enumerate(zip(texts, found, strict=True))
        for finding in findings
        if number != left_out
    ]
    return Scanned(path, parsed.media_type, tuple(hits))


def _hit(text: str, finding: Finding) -> Hit:
    before = text[max(0, finding.start - CONTEXT_CHARS) : finding.start]
    after = text[finding.end : finding.end + CONTEXT_CHARS]
    return Hit(finding.entity, finding.score, text[finding.start : finding.end], before, after)


@dataclass(frozen=True, slots=True)
class _Opener:
    """A file that is read when its turn comes."""

    size: int
    bytes_max: int
    open: Callable[[], BinaryIO]

    def read(self) -> bytes:
        if self.size > self.bytes_max:
            raise Refused(Reason.TOO_LARGE)
        try:
            with self.open() as file:
                data = file.read(self.bytes_max + 1)
        except OSError as cause:
            raise Refused(Reason.UNREADABLE, type(cause).__name__) from None
        if len(data) > self.bytes_max:
            raise Refused(Reason.TOO_LARGE)
        return data


def _files(place: Path, bytes_max: int, archives: Parser) -> Iterator[tuple[str, _Opener]]:
    if place.is_dir():
        for item in unpacked(FolderSource(place).listing(), archives, bytes_max).items:
            yield item.path, _Opener(item.size, bytes_max, item.open)
        return
    try:
        status = os.lstat(place)
    except OSError as cause:
        raise Misuse(f"{place} cannot be read: {cause.strerror}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise Misuse(f"{place} is neither a file nor a folder; links are not followed.")
    yield place.name, _Opener(status.st_size, bytes_max, lambda: place.open("rb"))
