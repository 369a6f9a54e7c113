"""How a mailbox is named to people and to patterns: in plain letters, with "/" between folders.

A server writes other letters than ASCII in UTF-7 of its own (RFC 3501, 5.1.3: `Vorst&AOQ-nde`), and has a separator of
its own: `Board.Pay`.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_LISTED = re.compile(rb'\([^)]*\) (?:"\\?(.)"|(NIL)) ', re.IGNORECASE)


def readable(name: str, separator: str) -> str:
    """`separator` empty: the server has no folders."""
    return "/".join(map(_decoded, name.split(separator) if separator else [name]))


def separator_in(answer: Sequence[Any]) -> str | None:
    """The separator in an answer to LIST as `imaplib` gives it, empty for none; None where nothing was listed.

    Raises:
        ValueError: it is in another form, or says more than one thing.
    """
    # A name that comes as a literal stands in a pair with what comes before it, and is followed by an empty line.
    lines = [part[0] if isinstance(part, tuple) else part for part in answer if part]
    found = {match[1] or b"" for line in lines if isinstance(line, bytes) and (match := _LISTED.match(line))}
    if len(found) > 1 or (lines and not found):
        raise ValueError("the server does not say what separates its folders")
    return found.pop().decode("ascii") if found else None


def _decoded(name: str) -> str:
    """What is not in this UTF-7 stays as it is: some servers take other names, too."""

    def letters(shifted: "re.Match[str]") -> str:
        if not shifted[1]:
            return "&"
        try:
            raw = shifted[1].replace(",", "/")
            return base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True).decode("utf-16-be")
        except ValueError:
            return shifted[0]

    return _SHIFTED.sub(letters, name)
