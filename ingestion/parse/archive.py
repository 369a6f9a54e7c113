"""ZIP: a folder in a file. Sizes and names that an archive declares are its sender's claims: bytes read are counted.

Nothing is ever written: names become headings or paths in a listing. Used inside the confined child only.
"""

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import IO

from lxml import etree

from ingestion.parse.document import ARCHIVE_BYTES_MAX, ARCHIVE_MEMBERS_MAX, Head, Reason, Refused
from ingestion.parse.members import is_label_file, printable, why_skipped
from ingestion.parse.pieces import Pieces

_STEP = 1 << 20
_NO_XML = (".bin", ".jpeg", ".jpg", ".png", ".gif", ".emf", ".wmf", ".svg")
"""Members of Office documents that no reader of ours takes for XML; printers' settings do declare a type."""
_XML = etree.XMLParser(resolve_entities=False, no_network=True)
_DAMAGED = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, RuntimeError, zlib.error)


def extract(data: bytes, pieces: Pieces) -> Head:
    """An archive within a document, or one that came alone: each member a part under its path."""
    archive = _opened(io.BytesIO(data))
    files, skipped = _sorted_entries(archive)
    for entry in files:
        member = b"".join(_inflate(archive, entry, pieces))
        pieces.attach(entry.filename, PurePosixPath(entry.filename).suffix[:16], member, what="member")
    for reason in sorted({reason for _, reason in skipped}):
        count = sum(why == reason for _, why in skipped)
        pieces.note(f"{count} member{'s' * (count > 1)} skipped {reason}")
    return Head("application/zip")


def check_office(data: bytes, pieces: Pieces) -> None:
    """Decompress every member of an Office document once and count.

    Raises:
        Refused: archive_bomb, encrypted, broken.
    """
    archive = _opened(io.BytesIO(data))
    for entry in archive.infolist():
        head = b""
        for piece in _inflate(archive, entry, pieces):
            head = head or piece[:4096]
        if not entry.filename.lower().endswith(_NO_XML) and (b"<!DOCTYPE" in head or b"<!ENTITY" in head):
            raise Refused(Reason.ARCHIVE_BOMB, "it declares entities, which the format forbids")


def parse_xml(raw: bytes) -> etree._Element:
    """The root of an XML part of an Office document. Nothing that it refers to is resolved or fetched.

    Raises:
        lxml.etree.LxmlError: it is not well-formed.
    """
    return etree.fromstring(raw, _XML)


def served(source: IO[bytes], request: Mapping[str, object]) -> tuple[dict[str, object], bytes]:
    """Answer the parent's questions about an archive of which it opened the file: its members, or the bytes of one."""
    try:
        archive = _opened(source)
        if request["task"] == "members":
            return _listed(archive), b""
        return {}, _member(archive, int(str(request["index"])), int(str(request["bytes_max"])))
    except Refused as refusal:
        return {"reason": str(refusal.reason), "detail": refusal.detail}, b""
    except MemoryError:
        return {"reason": str(Reason.MEMORY)}, b""


def _listed(archive: zipfile.ZipFile) -> dict[str, object]:
    files, skipped = _sorted_entries(archive)
    places = {id(entry): index for index, entry in enumerate(archive.infolist())}
    # Nothing is decompressed for it: of a member no more is ever read than the directory says that it has.
    if sum(entry.file_size for entry in files) > ARCHIVE_BYTES_MAX:
        raise Refused(Reason.ARCHIVE_BOMB)
    members = [(places[id(entry)], entry.filename, entry.file_size) for entry in files]
    return {"members": members, "skipped": skipped}


def _member(archive: zipfile.ZipFile, index: int, bytes_max: int) -> bytes:
    """At most `bytes_max` and one bytes of a member: the reader sees by the length that there was more."""
    try:
        with archive.open(archive.infolist()[index]) as file:
            return file.read(bytes_max + 1)
    except (IndexError, *_DAMAGED):
        raise Refused(Reason.BROKEN, "the archive is damaged") from None


def _opened(source: IO[bytes]) -> zipfile.ZipFile:
    source.seek(0)
    if not source.read(2).startswith(b"PK"):
        # An archive may have anything in front of it; what is two things at once is not what its name says.
        raise Refused(Reason.WRONG_TYPE, "it is no archive")
    try:
        archive = zipfile.ZipFile(source)
    except _DAMAGED:
        raise Refused(Reason.BROKEN, "the archive is incomplete") from None
    entries = archive.infolist()
    if len(entries) > ARCHIVE_MEMBERS_MAX:
        raise Refused(Reason.ARCHIVE_BOMB, f"more than {ARCHIVE_MEMBERS_MAX} members")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise Refused(Reason.ENCRYPTED)
    return archive


def _sorted_entries(archive: zipfile.ZipFile) -> tuple[list[zipfile.ZipInfo], list[tuple[str, str]]]:
    """The entries that are documents, and the printable names of those that are not, each with the reason."""
    files: list[zipfile.ZipInfo] = []
    skipped: list[tuple[str, str]] = []
    seen: set[str] = set()
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        if is_label_file(entry.filename):
            raise Refused(Reason.UNLABELLED, "the archive holds a label file: unpack it for that to count")
        link = stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG)
        reason = why_skipped(entry.filename) or ("symlink" if link else "duplicate" if entry.filename in seen else None)
        if reason is None:
            files.append(entry)
            seen.add(entry.filename)
        else:
            skipped.append((printable(entry.filename), reason))
    return files, skipped


def _inflate(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, pieces: Pieces) -> Iterator[bytes]:
    try:
        with archive.open(entry) as file:
            while piece := file.read(_STEP):
                pieces.inflated(len(piece))
                yield piece
    except _DAMAGED:
        raise Refused(Reason.BROKEN, "the archive is damaged") from None


def sample() -> bytes:
    """An archive of our own, to load the library with."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "a")
    return written.getvalue()
