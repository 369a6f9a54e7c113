"""Headers of messages: read by the library, and taken as they were written where it trips over them."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from ingestion.parse.cleaning import one_line
from ingestion.parse.document import Reason, Refused

# What the library raises where a lone quote, bracket or number stands in a header: its own slips, no errors of it.
_SLIPS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _Lenient(EmailPolicy):
    """Every header has a value, and a message that is written again keeps them as they are."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        try:
            return super().header_fetch_parse(name, value)
        except _SLIPS:
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_POLICY = _Lenient(refold_source="none")


def message_of(raw: bytes) -> EmailMessage:
    """The message. Empty lines in front of its headers do not end them: mail programs skip them.

    Raises:
        Refused: broken.
    """
    message = message_from_bytes(raw.lstrip(b"\r\n"), policy=_POLICY)
    if not isinstance(message, EmailMessage):
        raise Refused(Reason.BROKEN, "no message")
    return message


def header(message: EmailMessage, name: str) -> str:
    return one_line(str(message[name] or ""))


def subject_of(raw: bytes) -> str:
    head = raw.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n"
    return header(message_of(head), "Subject")
