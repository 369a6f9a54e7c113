"""E-mail: the headers people read as fields, then what a mail program shows; then what is attached.

Attachments and enclosed messages are read by their own formats, inside the limits of the message, below their names.
"""

import binascii
import codecs
import quopri
from email.message import EmailMessage
from pathlib import PurePosixPath

from ingestion.parse import mail_body
from ingestion.parse.cleaning import safe_name
from ingestion.parse.document import Head, Reason
from ingestion.parse.mail_headers import header, message_of, subject_of
from ingestion.parse.mail_sections import END
from ingestion.parse.mailboxes import ENVELOPE, unquoted
from ingestion.parse.pieces import Pieces

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


def extract(data: bytes, pieces: Pieces) -> Head:
    message = message_of(data.removeprefix(codecs.BOM_UTF8))
    _message(message, pieces)
    return Head("message/rfc822", header(message, "Subject"))


def extract_mailbox(data: bytes, pieces: Pieces) -> Head:
    """Each message a part of its own: one that cannot be read stops no other."""
    data = data.replace(b"\r\n", b"\n")
    envelopes = list(ENVELOPE.finditer(data))
    ends = [*(envelope.start() for envelope in envelopes[1:]), len(data)]
    for number, (envelope, end) in enumerate(zip(envelopes, ends, strict=True), 1):
        raw = unquoted(data[envelope.end() : end])
        pieces.attach(subject_of(raw) or f"Message {number}", ".eml", raw, what="message")
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
    fields = ((name, header(message, name)) for name in _SHOWN)
    pieces.add("\n".join(f"{name}: {value}" for name, value in fields if value))
    for number, (part, sections) in enumerate(mail_body.read(message, pieces), 1):
        for marker in sections:
            pieces.add(marker)
        _attachment(part, f"Attachment {number}", pieces)
        for _ in sections:
            pieces.add(END)


def _attachment(part: EmailMessage, fallback: str, pieces: Pieces) -> None:
    kind = part.get_content_type()
    name = safe_name(str(part.get_filename() or ""), "")
    if kind == "message/rfc822":
        raw, subject = _enclosed(part)
        pieces.attach(name or subject or fallback, ".eml", raw, what="attachment")
        return
    raw_content = part.get_payload(decode=True)
    if part.get_content_maintype() in ("image", "audio", "video") or not isinstance(raw_content, bytes):
        pieces.unread("attachment", Reason.UNSUPPORTED_TYPE)
        return
    suffix = PurePosixPath(name).suffix[:16] if name else _SUFFIXES.get(kind, "")
    pieces.attach(name or fallback, suffix, raw_content, what="attachment")


def _enclosed(part: EmailMessage) -> tuple[bytes, str]:
    """The enclosed message and its subject. Some programs encode it, which the standard forbids: it came unread."""
    below = part.get_payload()
    message = below[0] if isinstance(below, list) and below else None
    if not isinstance(message, EmailMessage):
        return b"", ""
    raw = message.as_bytes()
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    try:
        if encoding == "base64":
            raw = binascii.a2b_base64(raw)
        elif encoding == "quoted-printable":
            raw = quopri.decodestring(raw)
    except binascii.Error:
        pass  # it says itself that it is no message
    return raw, subject_of(raw)
