"""Other ways to read a text: what a disguise hid, undone once. Each is one pass, and found only where it may matter.

A model follows an order in base64 or with its letters apart as well as one in plain words; a person reads over it.
"""

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

DECODED_CHARS_MAX = 20_000
"""Of one encoded span: what comes first decides. A picture in base64 is no text anyway."""
_PRINTABLE_MIN = 0.9

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}+={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{24,}+={0,6}")
_HEX = re.compile(r"\b(?:0x)?((?:[0-9a-fA-F]{2}[ :]?){16,}+)")
_BINARY = re.compile(r"\b(?:[01]{8}[ ,]?){8,}+")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_PERCENT_MIN = 3
_UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}){6,}+")
_ENTITIES = re.compile(r"(?:&#(?:\d{2,7}|x[0-9a-fA-F]{2,6});){6,}+")
_MORSE = re.compile(r"(?:[.-]{1,5}[ /]{1,3}){12,}+[.-]{0,5}")
_MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_MORSE_LETTERS = dict(zip(_MORSE_CODES.split(), "abcdefghijklmnopqrstuvwxyz", strict=True))
_APART = re.compile(r"(?<!\w)[a-z0-9](?:[ .*_|-][a-z0-9](?!\w)){3,}+")
_STRAY = re.compile(r" [.,:;_|-]{1,3}(?= )")
_LEET = str.maketrans("01345678@$!+€|", "oieasgtbasitei")
_LEET_L = str.maketrans("013456789@$!+€|", "oleasgtbgasltel")
_LEET_WORD = re.compile(r"(?=\S{0,24}[0-9@$!+€|])(?=\S{0,24}[a-z])[a-z0-9@$!+€|]{2,24}")


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """(name of the code, what it says) of every encoded span that says something in letters. `text` is as written."""
    for word in text.split() if "%" in text else ():
        if len(_PERCENT.findall(word)) >= _PERCENT_MIN:
            yield "percent", unquote(word[:DECODED_CHARS_MAX])
    for name, pattern, decode in _CODES:
        for found in pattern.finditer(text):
            plain = decode(found.group()[:DECODED_CHARS_MAX])
            if plain and _is_text(plain):
                yield name, plain


def respelled(folded: str, suspicious: frozenset[str], vocabulary: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(name, text) of other spellings of a folded text that bring up one of the `suspicious` words.

    `vocabulary` are the words that rules look for: a digit one is the letter that gives one of them.
    """
    if _APART.search(folded):
        yield "letters_apart", _APART.sub(lambda run: re.sub(r"[ .*_|-]", "", run.group()), folded)
    if _STRAY.search(folded):
        yield "stray_marks", _STRAY.sub("", folded)
    if any(word[::-1] in folded for word in suspicious):
        yield "reversed", folded[::-1]
    if any(codecs.encode(word, "rot13") in folded for word in suspicious):
        yield "rot13", codecs.encode(folded, "rot13")
    if (leet := _LEET_WORD.sub(lambda word: _unleet(word.group(), vocabulary), folded)) != folded:
        yield "digits_for_letters", leet


def _unleet(word: str, vocabulary: frozenset[str]) -> str:
    other = word.translate(_LEET_L)
    return other if other in vocabulary else word.translate(_LEET)


def _is_text(plain: str) -> bool:
    letters = sum(char.isalpha() or char in " \n,.'" for char in plain)
    return len(plain) >= 8 and letters >= _PRINTABLE_MIN * len(plain)


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "ignore")


def _base64(span: str) -> str:
    body = span.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    try:
        return _utf8(base64.b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return ""


def _base32(span: str) -> str:
    body = span.rstrip("=")
    try:
        return _utf8(base64.b32decode(body[: len(body) // 8 * 8]))
    except (ValueError, binascii.Error):
        return ""


def _hex(span: str) -> str:
    digits = re.sub(r"[ :]|^0x", "", span)
    return _utf8(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _binary(span: str) -> str:
    bits = re.sub(r"[ ,]", "", span)
    return _utf8(bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8)))


def _escapes(span: str) -> str:
    return re.sub(r"\\[ux]([0-9a-fA-F]{2,4})", lambda code: chr(int(code[1], 16)), span)


def _morse(span: str) -> str:
    return " ".join("".join(_MORSE_LETTERS.get(letter, "") for letter in word.split()) for word in span.split("/"))


_CODES: tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("base64", _BASE64, _base64),
    ("base32", _BASE32, _base32),
    ("hex", _HEX, _hex),
    ("binary", _BINARY, _binary),
    ("escapes", _UNICODE, _escapes),
    ("entities", _ENTITIES, html.unescape),
    ("morse", _MORSE, _morse),
)
