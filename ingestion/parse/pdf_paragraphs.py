"""Lines of a PDF page put together again where its width broke them: names must not stay cut in two."""

import re

from ingestion.parse.cleaning import clean
from ingestion.parse.pdf_lines import BROKEN, GOES_ON

WRITTEN_MARKER = re.compile(r"\[\s*+(?:/\s*+)?ringfence\b", re.I)
_WRAPPED_FROM = 0.7
"""A line at least this long, compared with the longest of its page, goes on in the next one."""
_ITEM = re.compile(r"(?:[-*\u2022\u2023\u25aa\u2013]|\d{1,3}[.)]|\(?[a-z]\))\s")
# What the engine makes of a hyphen behind a letter at the end of a line.
_HYPHEN = "[\ufffe\x02]"
_BROKEN_WORD = re.compile(rf"(\w?){_HYPHEN}[^\S\n]*\n?[^\S\n]*(.?)")
_BROKEN_LINE = re.compile(rf"(?<=\w){_HYPHEN}[^\S\n]*\n?[^\S\n]*(?=\w)")
_BROKEN_END = re.compile(rf"(?<=\w){_HYPHEN}\s*$")


def whole_words(text: str) -> str:
    """Words put together again that were broken at the ends of lines."""
    return _BROKEN_WORD.sub(lambda broken: broken[1] + _hyphen(broken[1], broken[2]) + broken[2], text)


def words_of_line(text: str) -> str:
    """What stands on one line, of which the last word may go on in another: then `BROKEN` is its end."""
    ends = _BROKEN_END.search(text)
    return " ".join(whole_words(text[: ends.start()] if ends else text).split()) + BROKEN * bool(ends)


def _hyphen(before: str, after: str) -> str:
    """Between the parts of a broken word, where it belongs to the word: `ISO-9001`, `Anna-Maria`."""
    belongs = not after or after.isdigit() or (before.islower() and after.isupper())
    return "-" if before and belongs else ""


def paragraphs(text: str) -> list[str]:
    lines = _BROKEN_LINE.sub(f"{BROKEN}\n", text.replace("\r\n", "\n")).split("\n")
    cleaned = [clean(whole_words(line.removesuffix(BROKEN).replace(GOES_ON, " "))) for line in lines]
    widths = [[len(" ".join(part.split())) for part in line.removesuffix(BROKEN).split(GOES_ON)] for line in lines]
    longest = max(map(max, widths), default=0)
    found: list[str] = []
    goes_on = is_broken = False
    for line, raw, width in zip(cleaned, lines, widths, strict=True):
        if not line:
            goes_on = False
            continue
        if is_broken:
            found[-1] += _hyphen(found[-1][-1], line[0]) + line
        elif goes_on and not _begins(line, found[-1]):
            found[-1] += _between(found[-1], line) + line
        else:
            found.append(line)
        is_broken = raw.endswith(BROKEN)
        full = width[-1] >= _WRAPPED_FROM * longest
        goes_on = "]" not in found[-1] if WRITTEN_MARKER.match(found[-1]) else full
    return found


def _between(above: str, line: str) -> str:
    """The engine leaves the hyphen of a number at the end of a line."""
    return "" if line[0].isdigit() and re.search(r"\d-$", above[-2:]) else " "


def _begins(line: str, before: str) -> bool:
    """Whether a line begins something although the one before was full: a marker, an item, a heading."""
    heading = (
        before[-1] in ".!?:" and len(line) < 60 and line[-1] not in ".,;!?" and (line[0].isupper() or line[0].isdigit())
    )
    return heading or WRITTEN_MARKER.match(line) is not None or _ITEM.match(line) is not None
