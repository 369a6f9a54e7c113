"""What a mail program shows of a message: every text in it, and of alternatives the richest that says anything.

The other alternatives are seen by nobody. One that only repeats what is shown is left out; what it says beyond that is
hidden content.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from typing import NamedTuple

from ingestion.parse import html
from ingestion.parse.cleaning import refuse_markers
from ingestion.parse.document import DEPTH_MAX, PARTS_MAX, Reason, Refused
from ingestion.parse.mail_sections import OpenSections, Sections, begun
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode, decode_declared, paragraphs
from rag.hidden_content import HiddenKind

_TEXTS = ("text/plain", "text/html")
# What a program that writes the plain version of a page adds to it: addresses of links, and numbers of notes.
_ADDED = re.compile(r"(?:https?|mailto|tel|cid):[^\s<>\]]+|<[^\s<>@]++@[^\s<>]++>|\[\d{1,4}\]", re.I)
_WORD = re.compile(r"[^\W_]+")
_MARKER = re.compile(r"\[\s*+(?:/\s*+)?ringfence[^\]\[]*", re.I)
_OTHER_WORDS = 3
"""So many words that the shown text has nowhere are another sentence, not another spelling."""


class Attached(NamedTuple):
    """What is attached, and the sections of the text that it stands in."""

    part: EmailMessage
    sections: Sections


def read(message: EmailMessage, pieces: Pieces) -> list[Attached]:
    """Append the texts in their order; returns what is attached.

    Raises:
        Refused: too_deep; bad_marker, also for one that only an alternative has which is not shown.
    """
    _refuse_many(message)
    body = _Body(pieces)
    body.part(message)
    body.compare()
    return body.attachments


def _refuse_many(message: EmailMessage) -> None:
    stack = [(message, 0)]
    count = 0
    while stack:
        part, depth = stack.pop()
        count += 1
        if depth > DEPTH_MAX or count > PARTS_MAX:
            raise Refused(Reason.TOO_DEEP)
        stack.extend((child, depth + 1) for child in _below(part))


class _Body:
    def __init__(self, pieces: Pieces) -> None:
        self.attachments: list[Attached] = []
        self._pieces = pieces
        self._sections = OpenSections(pieces)
        self._begin = pieces.count
        self._unseen: list[str] = []

    def part(self, part: EmailMessage) -> None:
        kind = part.get_content_type()
        below = _below(part)
        if kind == "multipart/alternative" and below:
            self._alternatives(below)
        elif below:
            for child in below:
                self.part(child)
        elif not _is_text(part):
            self.attachments.append(Attached(part, self._sections.now()))
        elif kind == "text/html":
            html.collect(_content(part), self._pieces)
        else:
            for paragraph in paragraphs(_content(part)):
                self._pieces.add(paragraph)

    def _alternatives(self, children: list[EmailMessage]) -> None:
        """The last is meant to be the best (RFC 2046, 5.1.4); programs show a page before a text wherever it stands."""
        ranked = sorted(enumerate(children), key=lambda one: (_has_page(one[1]), one[0]), reverse=True)
        shown = False
        refusal: Refused | None = None
        around = within = self._sections.now()
        for _, child in ranked:
            if shown:
                self._not_shown(child, within)
                continue
            before = self._pieces.count
            try:
                with self._pieces.whole():
                    self.part(child)
            except Refused as problem:
                if problem.reason is not Reason.TOO_DEEP:
                    raise
                refusal = problem
                self._sections.reset(around)
            shown = self._pieces.count > before
            within = begun((piece.text for piece in self._pieces.since(before)), around)
        if refusal is not None:
            if not shown:
                raise refusal
            self._pieces.unread("alternative", refusal.reason)

    def _not_shown(self, root: EmailMessage, sections: Sections) -> None:
        """What is attached there may belong to any section of what is shown instead."""
        stack = [root]
        while stack:
            part = stack.pop()
            below = _below(part)
            if below:
                stack.extend(reversed(below))
            elif not _is_text(part):
                self.attachments.append(Attached(part, sections))
            else:
                page = part.get_content_type() == "text/html"
                self._unseen.append(self._page_text(part) if page else _content(part))
                sections = begun(self._unseen[-1:], sections)

    def _page_text(self, part: EmailMessage) -> str:
        apart = self._pieces.apart()
        html.collect(_content(part), apart)
        return "\n\n".join(piece.text for piece in apart.added)

    def compare(self) -> None:
        """Hold what is not shown against all that is."""
        if not self._unseen:
            return
        shown = [piece.text for piece in self._pieces.since(self._begin) if not piece.beside]
        words = {word for text in shown for word in _words(text)}
        markers = Counter(marker for text in shown for marker in _markers(text))
        for text in self._unseen:
            if Counter(_markers(text)) - markers:
                refuse_markers((text,), "in an alternative that is not shown")
            more = [paragraph for paragraph in paragraphs(text) if _says_more(paragraph, words)]
            # The markers in it are those of what is shown.
            self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, _MARKER.sub("[", "\n\n".join(more)))


def _says_more(paragraph: str, shown: set[str]) -> bool:
    """Whether it has a figure or several words that nothing shown has."""
    new = set(_words(paragraph)) - shown
    return len(new) >= _OTHER_WORDS or any(char.isdigit() for word in new for char in word)


def _words(text: str) -> Iterator[str]:
    return (word.group() for word in _WORD.finditer(_ADDED.sub(" ", unicodedata.normalize("NFKC", text).casefold())))


def _markers(text: str) -> Iterator[str]:
    return (" ".join(found.casefold().split()) for found in _MARKER.findall(text))


def _is_text(part: EmailMessage) -> bool:
    """Also what should have parts, but whose boundary nobody finds: programs show it as it is."""
    named = part.get_content_disposition() == "attachment" or part.get_filename() is not None
    return not named and (part.get_content_type() in _TEXTS or part.get_content_maintype() == "multipart")


def _has_page(part: EmailMessage) -> bool:
    stack = [part]
    while stack:
        one = stack.pop()
        if one.get_content_type() == "text/html" and _is_text(one):
            return True
        stack.extend(_below(one))
    return False


def _below(part: EmailMessage) -> list[EmailMessage]:
    """The parts of a multipart. An enclosed message is not opened: it is attached."""
    below = part.get_payload() if part.get_content_maintype() == "multipart" else None
    return [child for child in below if isinstance(child, EmailMessage)] if isinstance(below, list) else []


def _content(part: EmailMessage) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = part.get_content_charset()
    if charset:
        return decode_declared(raw, charset)
    return html.decoded(raw) if part.get_content_type() == "text/html" else decode(raw)
