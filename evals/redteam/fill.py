"""What strings of a step may hold besides text: `$(name:argument)`, filled when the request is made."""

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_PLACE = re.compile(r"\$\(([a-z_0-9]+)(?::([^()]*))?\)")
_ZERO_WIDTH = "\u200b"
_FULL_WIDTH = 0xFEE0
_TAGS = 0xE0000
_CYRILLIC = str.maketrans("aceopxy", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443")


@dataclass(frozen=True, slots=True)
class Place:
    """A document of the company as the service knows it: its ids, and how long its text is."""

    document: str
    version: str
    chars: int


@dataclass(slots=True)
class Known:
    """What strings may be filled with: ids by name of a document, bearers by caller, tokens by name."""

    places: Mapping[str, Place]
    bearers: Mapping[str, str] = field(repr=False)
    tokens: Callable[[str], str] = field(repr=False)
    saved: dict[str, str] = field(default_factory=dict, repr=False)


def filled(value: Any, known: Known) -> Any:
    """`value` with every place in its strings filled, keys of mappings included.

    Raises:
        KeyError: it names something that is not there.
    """
    if isinstance(value, str):
        return _PLACE.sub(lambda match: _fill(match[1], match[2] or "", known), value)
    if isinstance(value, dict):
        return {filled(key, known): filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, known) for inner in value]
    return value


def _fill(name: str, argument: str, known: Known) -> str:
    if name in ("document", "version"):
        return str(getattr(known.places[argument], name))
    if name == "key":
        return known.bearers[argument]
    if name == "token":
        return known.tokens(argument)
    if name == "saved":
        return known.saved[argument]
    return _TEXTS[name](argument)


def _repeated(argument: str) -> str:
    number, _, text = argument.partition(",")
    return text * int(number)


_TEXTS: Mapping[str, Callable[[str], str]] = {
    "repeat": _repeated,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "rot13": lambda text: text.translate(
        {ord(c): chr((ord(c) - base + 13) % 26 + base) for base in (65, 97) for c in map(chr, range(base, base + 26))}
    ),
    "tags": lambda text: "".join(chr(_TAGS + ord(character)) for character in text),
    "zero_width": lambda text: _ZERO_WIDTH.join(text),
    "full_width": lambda text: "".join(chr(ord(c) + _FULL_WIDTH) if c != " " else c for c in text),
    "cyrillic": lambda text: text.translate(_CYRILLIC),
    "backwards": lambda text: text[::-1],
    "character": lambda code: chr(int(code, 16)),
    "random_key": lambda _: f"rf_{secrets.token_hex(8)}_{secrets.token_hex(32)}",
}
