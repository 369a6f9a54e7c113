"""E-mail: the headers people read as fields, then the text; HTML where there is no text. Attachments are not read."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

from ingestion.parse import html
from ingestion.parse.document import DEPTH_MAX, Extracted, Reason, Refused
from ingestion.parse.pieces import Pieces, one_line
from ingestion.parse.plain import decode, paragraphs

_SHOWN = ("From", "To", "Cc", "Subject", "Date")
PARTS_MAX = 1_000


def extract(data: bytes, chars_max: int) -> Extracted:
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise Refused(Reason.BROKEN, "no message")
    pieces = Pieces(chars_max)
    fields = ((name, one_line(str(message[name] or ""))) for name in _SHOWN)
    pieces.add("\n".join(f"{name}: {value}" for name, value in fields if value))
    texts, pages, attachments = _sorted_parts(message)
    for part in texts:
        for paragraph in paragraphs(_content(part)):
            pieces.add(paragraph)
    if not texts:
        for part in pages:
            html.collect(_content(part), pieces)
    notes = (f"{attachments} attachment{'s' * (attachments > 1)} not read",) if attachments else ()
    return pieces.done("message/rfc822", str(message["Subject"] or ""), notes=notes)


def _sorted_parts(message: EmailMessage) -> tuple[list[EmailMessage], list[EmailMessage], int]:
    texts: list[EmailMessage] = []
    pages: list[EmailMessage] = []
    attachments = 0
    for part in _parts(message):
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html"):
            attachments += 1
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
