"""Texts as people see them, and the markers in them. Used inside the confined child only."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from ingestion.parse.document import Reason, Refused

# Control characters; and what is invisible on paper but not to a model or a recognizer: zero-width and
# direction marks, soft hyphens, and the tag block, in which whole hidden sentences have been written.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# Sentences in the tag block. The few that follow a black flag are the flag of a region.
TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007e]{4,}")
_SPACES = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_LINES = re.compile(r" ?(?:\r\n|[\n\r\x0c\x85\u2028\u2029]) ?")
MARKER = re.compile(r"\[\s*+(?:/\s*+)?ringfence", re.I)
IN_A_NAME = "in the name of a column"


def clean(text: str) -> str:
    """One text as people see it: no invisible characters, single spaces, no more than one empty line."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    text = _LINES.sub("\n", _SPACES.sub(" ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def refuse_markers(texts: Iterable[str], where: str) -> None:
    """For text that is left out, or may be: a marker there would protect nothing of what its author meant.

    Raises:
        Refused: bad_marker.
    """
    if any("[" in text and MARKER.search(_INVISIBLE.sub("", text)) for text in texts):
        raise Refused(Reason.BAD_MARKER, where)


def marker_in(cells: Iterable[str]) -> str:
    """The marker of a row that is one and nothing else; else nothing."""
    filled = [cell for cell in cells if cell.strip()]
    alone = one_line(filled[0]) if len(filled) == 1 and "[" in filled[0] else ""
    return alone if MARKER.match(alone) else ""


def verbatim_text(text: str) -> str:
    """Like `clean`, for text in which indentation means something."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text)).expandtabs(4)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def safe_name(name: str, fallback: str) -> str:
    """The last part of a name that a sender chose: for a heading, never for a file."""
    return one_line(PurePosixPath(name.replace("\\", "/")).name)[:200] or fallback
