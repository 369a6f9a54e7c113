"""Values that no output may hold, in every spelling in which bytes could hide them."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

from tests.copies import bytes_written

NAME, MAIL, PHONE = "Thessaly Quorndon", "thessaly.quorndon@zimbrel.example", "+44 7700 900417"
IBAN, SECRET = "GB33BUKB20201555555555", "ghp_" + "zQ7x" * 9
VALUES: Mapping[str, str] = {
    "name": NAME,
    "surname": "Quorndon",
    "mail": MAIL,
    "phone": PHONE,
    "phone digits": "7700900417",
    "iban": IBAN,
    "secret": SECRET,
}
"""What stands in a document, a file name or a folder name, and is masked there."""
ASKED: Mapping[str, str] = {"asked name": "Bartholomew Grisewood", "asked mail": "b.grisewood@quillfeather.example"}
"""What stands in questions, headers and bodies only."""
WORD: Mapping[str, str] = {"word": "xylophantine"}
"""Personal to nobody: a reader may see it, and the stored text holds it."""

_NOTHING = 64
"""A longer run of zero bytes is no text in any encoding."""
_BEFORE = {0: 0, 1: 2, 2: 3}
"""Characters of base64 that a value shares with the bytes before it, by their number modulo three."""


def found(blob: bytes, canaries: Mapping[str, str]) -> set[str]:
    """The names of the canaries that `blob` holds, in any of the spellings. ASCII case is ignored."""
    # Index files are allotted in tens of megabytes of nothing.
    dense = b"\n".join(part for part in blob.split(bytes(_NOTHING)) if part)
    either = (dense, dense.lower())
    return {
        name
        for name, value in canaries.items()
        if any(spelling in text for text in either for spelling in _spellings(value))
    }


def found_below(folder: Path, canaries: Mapping[str, str]) -> dict[str, set[str]]:
    """The same for every file below `folder`, and for its name; by path."""
    hits: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        content = bytes_written(path) if path.is_file() else b""
        if names := found(content + b"\n" + str(path.relative_to(folder)).encode(), canaries):
            hits[str(path.relative_to(folder))] = names
    return hits


def _spellings(value: str) -> Iterator[bytes]:
    raw = value.encode()
    for text in {value, value.lower(), quote(value).lower(), quote_plus(value).lower()}:
        yield from (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    yield raw.hex().encode()
    for shift, start in _BEFORE.items():
        whole = (shift + len(raw)) * 8 // 6
        yield b64encode(b"\0" * shift + raw)[start:whole]
