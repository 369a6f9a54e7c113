"""Colours of a page, as far as it takes to say that text has the colour of its paper."""

import re

Color = tuple[int, int, int]
WHITE: Color = (255, 255, 255)
CLEAR: Color = (-1, -1, -1)
"""No colour: what is behind shows through."""
_ALIKE = 10
"""Steps of 255 between two colours that nobody tells apart on a page."""
_NAMED: dict[str, Color] = {
    "white": WHITE,
    "snow": (255, 250, 250),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "black": (0, 0, 0),
    **dict.fromkeys(("transparent", "none", "initial", "inherit", "unset"), CLEAR),
}
_HEX = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_FUNCTION = re.compile(r"rgba?\(([^()]*)\)")


def color_of(value: str) -> Color | None:
    """The colour; None if it is not known. Of shorthands, the first word that is one."""
    value = re.sub(r"\s*,\s*|\(\s+|\s+\)", lambda found: found.group().strip(), value.strip().lower()[:200])
    for word in (value, *value.split()):
        if word in _NAMED:
            return _NAMED[word]
        found = _HEX.fullmatch(word)
        if found:
            return _of_digits(found.group(1))
        called = _FUNCTION.fullmatch(word)
        if called:
            return _of_parts(re.split(r"[,\s/]+", called.group(1)))
    return None


def alike(one: Color, other: Color) -> bool:
    return all(abs(a - b) <= _ALIKE for a, b in zip(one, other, strict=True))


def _of_digits(digits: str) -> Color:
    if len(digits) < 6:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue, alpha = (int((digits + "ff")[at : at + 2], 16) for at in (0, 2, 4, 6))
    return (red, green, blue) if alpha > 12 else CLEAR


def _of_parts(parts: list[str]) -> Color | None:
    try:
        values = [float(part.rstrip("%")) * (2.55 if part.endswith("%") else 1) for part in parts[:3]]
        alpha = float(parts[3].rstrip("%")) / (100 if parts[3].endswith("%") else 1) if len(parts) > 3 else 1.0
        red, green, blue = (round(value) for value in values)
    except (ValueError, OverflowError):
        return None
    return (red, green, blue) if alpha > 0.05 else CLEAR
