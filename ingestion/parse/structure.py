"""From pieces to blocks: heading paths, and the stricter sections that markers open.

    [ringfence level=restricted compartments=compartment:merger]
    ...
    [/ringfence]

A marker stands on a line of its own, in any format. It can only take readers away; one left open runs to the
document's end. Anything that looks like a marker and is not a valid one refuses the document: a section that
somebody meant to protect must not become readable by a typing error.

What is read beside its place, as footnotes and comments are, may belong to any section: it is as strict as all of them
together.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

from ingestion.parse.document import NAMED_BY_FILE, Block, Extracted, ParsedDocument, Piece, Reason, Refused
from policies.rules import COMPARTMENT_KIND, InvalidRule, Level, Tightening, subject_name

_MARKER = re.compile(r"^[ \t]*(?:[-*][ \t]+)?\[(/?)ringfence\b([^\]\[]*)\][ \t]*$", re.M | re.I)
_LOOKS_LIKE_ONE = re.compile(r"\[\s*+(?:/\s*+)?ringfence", re.I)
_PAIR = re.compile(r"([a-z_]+)=(\S+)")
NAMES_MAX = 200
"""Compartments and denied shares of a passage: each chunk of it is stored with all of them."""

_OPEN = Tightening()
_Section = tuple[Tightening, int]
"""What an open section demands with those around it, and the part of the document that it was opened in."""


@dataclass(slots=True)
class _Heading:
    depth: int
    text: str = field(repr=False)
    tightening: Tightening
    page: int | None
    used: bool = False


def build(extracted: Extracted, path: str) -> ParsedDocument:
    """Apply markers and headings; the title falls back to the first open heading, then to the file's name.

    Raises:
        Refused: bad_marker, empty.
    """
    if _LOOKS_LIKE_ONE.search(extracted.title):
        raise Refused(Reason.BAD_MARKER, "in the title")
    blocks = _Blocks()
    sections: list[_Section] = []
    ever = _ever_opened(extracted.pieces)
    joined = lru_cache(maxsize=10)(_joined)  # notes and comments come in rows
    here = _OPEN
    for text, marker, piece in _split(extracted.pieces):
        if marker is not None:
            _turn(marker, piece.part, sections)
            here = sections[-1][0] if sections else _OPEN
        elif piece.heading:
            # Of a PDF's own text each heading stands on a page; the others name files within it, or stand in them.
            entitles = extracted.media_type != "application/pdf" or piece.page is not None
            blocks.heading(piece.heading, text, here, piece.page, entitles=entitles)
        else:
            beside = joined(here, ever[piece.part]) if piece.beside and piece.part in ever else here
            blocks.text(text, beside, piece.page)
    found = blocks.finish()
    if not found:
        raise Refused(Reason.EMPTY)
    heading = "" if extracted.media_type in NAMED_BY_FILE else blocks.first_open_heading
    title = extracted.title or heading or _name_as_title(path)
    return ParsedDocument(title, extracted.media_type, tuple(found), extracted.notes, extracted.hidden)


def _split(pieces: tuple[Piece, ...]) -> Iterator[tuple[str, re.Match[str] | None, Piece]]:
    """Text between markers, and the markers, in order."""
    for piece in pieces:
        at = 0
        for marker in _MARKER.finditer(piece.text):
            yield piece.text[at : marker.start()], None, piece
            yield "", marker, piece
            at = marker.end()
        yield piece.text[at:], None, piece


def _ever_opened(pieces: tuple[Piece, ...]) -> dict[int, Tightening]:
    """By part of the document, what all its sections demand together, closed ones as well."""
    found: dict[int, list[Tightening]] = {}
    for _, marker, piece in _split(pieces):
        if marker is None:
            continue
        if piece.beside:
            raise Refused(Reason.BAD_MARKER, "in a note, a header or a footer")
        if not marker.group(1):
            found.setdefault(piece.part, []).append(_tightening(marker.group(2)))
    return {part: _all(sections) for part, sections in found.items()}


def _turn(marker: re.Match[str], part: int, sections: list[_Section]) -> None:
    closing, inside = marker.groups()
    if not closing:
        around = sections[-1][0] if sections else _OPEN
        sections.append((_joined(around, _tightening(inside)), part))
    elif inside.strip() or not sections or sections[-1][1] != part:
        # What was begun in a message is not for its attachment to end, nor the reverse.
        raise Refused(Reason.BAD_MARKER, "an end without a beginning")
    else:
        sections.pop()


def _tightening(inside: str) -> Tightening:
    words = inside.split()
    pairs = [_PAIR.fullmatch(word) for word in words]
    given = {pair.group(1): pair.group(2) for pair in pairs if pair}
    if not words or len(given) != len(words) or not given.keys() <= {"level", "compartments", "denied_shares"}:
        raise Refused(Reason.BAD_MARKER, "use level=..., compartments=... or denied_shares=..., once each")
    try:
        return Tightening(
            level=Level.parse(given.get("level", "public")),
            compartments=_names(given.get("compartments"), (COMPARTMENT_KIND,)),
            denied_shares=_names(given.get("denied_shares"), ("user", "group", "role")),
        )
    except InvalidRule:
        raise Refused(Reason.BAD_MARKER, "unknown level, or a name that is not of the form kind:name") from None


def _names(value: str | None, kinds: tuple[str, ...]) -> frozenset[str]:
    return frozenset(subject_name(name, kinds=kinds) for name in value.split(",")) if value is not None else frozenset()


def _all(sections: Collection[Tightening]) -> Tightening:
    return Tightening(
        level=max(section.level for section in sections),
        compartments=frozenset().union(*(section.compartments for section in sections)),
        denied_shares=frozenset().union(*(section.denied_shares for section in sections)),
    )


def _joined(one: Tightening, other: Tightening) -> Tightening:
    if _covers(one, other):
        return one
    joined = _all((one, other))
    if len(joined.compartments) + len(joined.denied_shares) > NAMES_MAX:
        raise Refused(Reason.BAD_MARKER, f"more than {NAMES_MAX} names for one passage")
    return joined


def _covers(stricter: Tightening, other: Tightening) -> bool:
    """True if whoever passes `stricter` passes `other` too."""
    return stricter is other or (
        stricter.level >= other.level
        and stricter.compartments >= other.compartments
        and stricter.denied_shares >= other.denied_shares
    )


class _Blocks:
    """Headings go into the path of what follows; one that nothing follows is text of its own."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._path: list[_Heading] = []
        self._above: tuple[str, ...] = ()
        self._above_in: Tightening | None = None
        """The section that `_above` is shown in; None where the path is another by now."""
        self.first_open_heading = ""

    def heading(self, depth: int, text: str, tightening: Tightening, page: int | None, *, entitles: bool) -> None:
        text = _checked(text)
        if not text:
            return
        self._leave(depth)
        self._path.append(_Heading(depth, text, tightening, page))
        self._above_in = None
        if entitles and tightening.empty and not self.first_open_heading:
            self.first_open_heading = text

    def text(self, text: str, tightening: Tightening, page: int | None) -> None:
        text = _checked(text)
        if text:
            self._add(text, tightening, page)

    def finish(self) -> list[Block]:
        self._leave(0)
        return self._blocks

    def _leave(self, depth: int) -> None:
        while self._path and self._path[-1].depth >= depth:
            heading = self._path.pop()
            self._above_in = None
            if not heading.used:
                self._add(heading.text, heading.tightening, heading.page)

    def _add(self, text: str, tightening: Tightening, page: int | None) -> None:
        if self._above_in is not tightening:
            # A heading out of a stricter section says nothing to readers of what stands outside of it.
            shown = [heading for heading in self._path if _covers(tightening, heading.tightening)]
            for heading in shown:
                heading.used = True
            self._above, self._above_in = tuple(heading.text for heading in shown), tightening
        self._blocks.append(Block(text, page, self._above, tightening))


def _checked(text: str) -> str:
    if _LOOKS_LIKE_ONE.search(text):
        raise Refused(Reason.BAD_MARKER, "a marker must stand on a line of its own")
    return text.rstrip().lstrip("\n")  # the first line of code may be indented


def _name_as_title(path: str) -> str:
    return spaced(PurePosixPath(path).stem) or path


def spaced(name: str) -> str:
    """A file name as words: joined by underscores, a person's name is no name to a recognizer."""
    return " ".join(re.sub(r"[_+]+|(?<!\d)-|-(?!\d)", " ", name).split())
