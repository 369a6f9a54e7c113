"""E-mail: the headers people read as fields, then the text; HTML where there is no text; then what is attached.

Attachments and enclosed messages are read by their own formats, inside the limits of the message, below their names.
"""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import PurePosixPath

from ingestion.parse import html
from ingestion.parse.document import DEPTH_MAX, PARTS_MAX, Head, Reason, Refused
from ingestion.parse.pieces import Pieces, one_line, safe_name
from ingestion.parse.plain import decode, paragraphs

_SHOWN = ("From", "To", "Cc", "Subject", "Date")
_SUFFIXES = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "message/rfc822": ".eml",
}
"""For attachments without a name. One with a name is what its name says, as everywhere."""
_ENVELOPE = re.compile(rb"(?:\A|(?<=\n\n))From [^\n]*\n(?=[!-9;-~]+:)")


def extract(data: bytes, pieces: Pieces) -> Head:
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise Refused(Reason.BROKEN, "no message")
    _message(message, pieces)
    return Head("message/rfc822", str(message["Subject"] or ""))


def extract_mailbox(data: bytes, pieces: Pieces) -> Head:
    """Each message a part of its own: one that cannot be read stops no other."""
    data = data.replace(b"\r\n", b"\n")
    envelopes = list(_ENVELOPE.finditer(data))
    ends = [*(envelope.start() for envelope in envelopes[1:]), len(data)]
    for number, (envelope, end) in enumerate(zip(envelopes, ends, strict=True), 1):
        raw = re.sub(rb"(?m)^>(>*From )", rb"\1", data[envelope.end() : end])
        subject = message_from_bytes(raw.partition(b"\n\n")[0] + b"\n\n", policy=policy.default)["Subject"]
        pieces.attach(one_line(str(subject or "")) or f"Message {number}", ".eml", raw, what="message")
    return Head("application/mbox")


def sample() -> bytes:
    """A message of our own with all that a message may hold, to load the library with."""
    inner = EmailMessage()
    inner["Subject"] = "in\u00e9"
    inner.set_content("text \u00e9", cte="quoted-printable")
    inner.add_alternative("<p>x</p>", subtype="html", cte="base64")
    outer = EmailMessage()
    outer["From"], outer["Date"] = "A <a@example.com>", "Thu, 1 Jan 2026 00:00:00 +0000"
    outer.set_content("text")
    outer.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="\u00e9.csv")
    outer.add_attachment(inner)
    return outer.as_bytes()


def _message(message: EmailMessage, pieces: Pieces) -> None:
    fields = ((name, one_line(str(message[name] or ""))) for name in _SHOWN)
    pieces.add("\n".join(f"{name}: {value}" for name, value in fields if value))
    texts, pages, attachments = _sorted_parts(message)
    for part in texts:
        for paragraph in paragraphs(_content(part)):
            pieces.add(paragraph)
    if not texts:
        for part in pages:
            html.collect(_content(part), pieces)
    for number, part in enumerate(attachments, 1):
        _attachment(part, f"Attachment {number}", pieces)


def _attachment(part: EmailMessage, fallback: str, pieces: Pieces) -> None:
    kind = part.get_content_type()
    name = safe_name(str(part.get_filename() or ""), "")
    if kind == "message/rfc822":
        below = part.get_payload()
        enclosed = below[0] if isinstance(below, list) and below else None
        raw = enclosed.as_bytes() if isinstance(enclosed, EmailMessage) else b""
        subject = one_line(str(enclosed["Subject"] or "")) if isinstance(enclosed, EmailMessage) else ""
        pieces.attach(name or subject or fallback, ".eml", raw, what="attachment")
        return
    raw_content = part.get_payload(decode=True)
    if part.get_content_maintype() in ("image", "audio", "video") or not isinstance(raw_content, bytes):
        pieces.unread("attachment", Reason.UNSUPPORTED_TYPE)
        return
    suffix = PurePosixPath(name).suffix[:16] if name else _SUFFIXES.get(kind, "")
    pieces.attach(name or fallback, suffix, raw_content, what="attachment")


def _sorted_parts(message: EmailMessage) -> tuple[list[EmailMessage], list[EmailMessage], list[EmailMessage]]:
    texts: list[EmailMessage] = []
    pages: list[EmailMessage] = []
    attachments: list[EmailMessage] = []
    for part in _parts(message):
        kind = part.get_content_type()
        named = part.get_content_disposition() == "attachment" or part.get_filename() is not None
        if named or kind not in ("text/plain", "text/html"):
            attachments.append(part)
        else:
            (texts if kind == "text/plain" else pages).append(part)
    return texts, pages, attachments


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """The leaves. An enclosed message is one leaf: an attachment."""
    stack = [(message, 0)]
    count = 0
    while stack:
        part, depth = stack.pop()
        count += 1
        if depth > DEPTH_MAX or count > PARTS_MAX:
            raise Refused(Reason.TOO_DEEP)
        if part.get_content_maintype() != "multipart":
            yield part
            continue
        below = part.get_payload()
        if isinstance(below, list):
            stack.extend((child, depth + 1) for child in reversed(below) if isinstance(child, EmailMessage))


def _content(part: EmailMessage) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return raw.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        return decode(raw)
