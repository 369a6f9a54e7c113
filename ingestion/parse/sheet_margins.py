"""What is printed above and below a sheet, as it stands in its XML."""

import html
import re
from collections.abc import Iterator

_START = re.compile(rb"<(?:\w+:)?headerFooter\b")
_PART = re.compile(r"<(?:\w+:)?(odd|even|first)(?:Header|Footer)\b[^<>]*>([^<]*)<")
_CODE = re.compile(r'&(?:(?P<literal>&)|"[^"&]*"|K[0-9A-F]{6}|K\d\d[+-]\d{3}|\d+|(?P<letter>[A-Z]))')
_PLACES, _VARIES = "LCR", "PNDTFAZG"
"""Codes that begin the left, middle and right part; and those for what is another on every page, day or machine."""
_WORDS_MIN = 3
"""So many words must be left of a line without its page number: `Page of` says nothing."""
_ON = re.compile(r'\b(differentOddEven|differentFirst)\s*=\s*["\'](?:1|true)["\']')


def margin(raw: bytes) -> str:
    """The element that holds it, of the XML of a sheet; empty where there is none."""
    start = _START.search(raw)
    return raw[start.start() : raw.rfind(b"headerFooter")].decode("utf-8", "replace") if start else ""


def plain(held: str) -> str:
    """All its text: codes for how it is set may stand between any two letters."""
    return _CODE.sub("", html.unescape(re.sub(r"<[^<>]*>", "\n", held)))


def lines(held: str, *, printed: bool) -> list[str]:
    """Each line once: of what is printed, or of what is kept although other pages are not set apart any more."""
    head = held.partition(">")[0]
    on = set(_ON.findall(head))
    kinds = {"odd": True, "even": "differentOddEven" in on, "first": "differentFirst" in on}
    found = (
        line for kind, text in _PART.findall(held) if kinds[kind] is printed for line in _lines(html.unescape(text))
    )
    return list(dict.fromkeys(found))


def _lines(text: str) -> Iterator[str]:
    for line in _CODE.sub(_turned, text).splitlines():
        kept = " ".join(line.replace("\0", " ").split())
        if re.search(r"\w", kept) and ("\0" not in line or len(re.findall(r"\w+", kept)) >= _WORDS_MIN):
            yield kept


def _turned(code: re.Match[str]) -> str:
    letter = code["letter"] or ""
    if code["literal"]:
        return "&"
    return "\n" if letter and letter in _PLACES else "\0" if letter and letter in _VARIES else ""
