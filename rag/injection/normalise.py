"""One spelling for texts that a reader, or a model, takes for the same: what rules are matched against.

Every step is one pass over the text.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from rag.invisible import INVISIBLE

_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_EMOJI_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
"""The flags of England, Scotland and Wales are spelled with tag characters."""
_SHAPING = "\u061c\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\ufff9-\ufffb\U0001d173-\U0001d17a"
"""Not seen by themselves either: they direct, join or annotate the characters near them."""
_INVISIBLE = re.compile(f"[{INVISIBLE}{_SHAPING}]")
_SMUGGLED = re.compile("[\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\U000e0100-\U000e01ef]{8}")
"""So many of them in a row say something to a machine; none of them do to a reader."""
_OVERRIDDEN = re.compile("[\u202d\u202e]")
"""Forces a direction: shown and stored order differ. Nothing that people write in English needs it."""

_LOOKALIKES = str.maketrans(
    "абвеёзіјкмноԁһԛпгрсѕтуԝхцьɑαβγεηικνοπρτυχωϲϳℓıɡɩʏοօսһհոցզѵʀɴʜᴀʙᴄᴅᴇɢɪᴊᴋʟᴍᴏᴘꜱᴛᴜᴠᴡᴢ",
    "abbeezijkmhodhqnrpcstywxubaabyenikvonptuxwcjligiyoouhhngqvrnhabcdegijklmopstuvwz",
)
_LUNATE = str.maketrans({"\u03f2": "c", "\u03f9": "c"})
"""Would be taken apart into a sigma, which looks like nothing."""
_QUOTES = str.maketrans("\u2019\u2018\u02bc\u201c\u201d\u2013\u2014\u2010", "'''\"\"---")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Normalised:
    """`text` is lower case, without accents and invisible characters, white space as single blanks and line breaks.

    `smuggled` is what tag characters spelled. `hidden` tells that something was there only for machines; `unseen` that
    single invisible characters were taken out, which ordinary texts have as well.
    """

    text: str = field(repr=False)
    smuggled: str = field(default="", repr=False)
    hidden: bool = False
    unseen: bool = False


def normalised(text: str) -> Normalised:
    shown = _EMOJI_FLAG.sub("", text) if "\U0001f3f4" in text else text
    tags = "" if shown.isascii() else " ".join(_TAGS.findall(shown))
    smuggled = "".join(chr(ord(char) - 0xE0000) if ord(char) > 0xE0000 else char for char in tags)
    hidden = bool(smuggled.strip() or _SMUGGLED.search(shown) or _OVERRIDDEN.search(shown))
    visible = _INVISIBLE.sub("", shown)
    return Normalised(folded(visible), folded(smuggled), hidden, unseen=len(visible) < len(shown))


def folded(text: str) -> str:
    """Compatibility forms, accents, case, look-alikes of Latin letters, quotes and white space made one."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_LUNATE))
        text = "".join(char for char in text if not unicodedata.combining(char))
    text = text.casefold()
    if not text.isascii():
        text = text.translate(_LOOKALIKES).translate(_QUOTES)
    return _LINES.sub("\n", _BLANKS.sub(" ", text.replace("`", "'")))
