"""A mailbox in one file (RFC 4155): where a message begins, and lines quoted so that none begins there.

Standard library only: the source of mailboxes and the confined child read them alike.
"""

import re

_HEADER = re.compile(rb"[!-9;-~]+:")
ENVELOPE = re.compile(rb"(?:\A|(?<=\n\n))From [^\n]*\n(?=[!-9;-~]+:)")
"""The line before a message, in a file without carriage returns."""
_QUOTED = re.compile(rb"^>(>*From )", re.M)


def begins(line: bytes, following: bytes) -> bool:
    """Whether a line after an empty one is an envelope: sentences begin alike, but no header follows them."""
    return line.startswith(b"From ") and _HEADER.match(following) is not None


def unquoted(message: bytes) -> bytes:
    """The message as it was before it was put into the file."""
    return _QUOTED.sub(rb"\1", message)
