"""Colours of a page, as far as it takes to say that text has the colour of its paper."""

import re
from collections.abc import Callable
from colorsys import hls_to_rgb

Color = tuple[int, int, int]
WHITE: Color = (255, 255, 255)
CLEAR: Color = (-1, -1, -1)
"""No colour: what is behind shows through."""
UNKNOWN: Color = (-999, -999, -999)
"""Some colour, like none."""
_ALIKE = 15
"""Steps of 255 between two colours that nobody tells apart on a page."""
_NAMED: dict[str, Color] = {
    "white": WHITE,
    "snow": (255, 250, 250),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "ivory": (255, 255, 240),
    "floralwhite": (255, 250, 240),
    "mintcream": (245, 255, 250),
    "azure": (240, 255, 255),
    "aliceblue": (240, 248, 255),
    "honeydew": (240, 255, 240),
    "black": (0, 0, 0),
    **dict.fromkeys(("transparent", "none", "initial", "inherit", "unset"), CLEAR),
}
_HEX = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")


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
            of_parts = _of_rgb if called.group(1) == "rgb" else _of_hsl
            return _of_parts(re.split(r"[,\s/]+", called.group(2)), of_parts)
    return None


def alike(one: Color, other: Color) -> bool:
    return all(abs(a - b) <= _ALIKE for a, b in zip(one, other, strict=True))


def _of_digits(digits: str) -> Color:
    if len(digits) < 6:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue, alpha = (int((digits + "ff")[at : at + 2], 16) for at in (0, 2, 4, 6))
    return (red, green, blue) if alpha > 12 else CLEAR


def _of_parts(parts: list[str], of_three: Callable[[str, str, str], Color]) -> Color | None:
    try:
        color = of_three(*parts[:3])
        alpha = _ratio(parts[3], 1) if len(parts) > 3 else 1.0
    except (ValueError, OverflowError, TypeError):
        return None
    return color if alpha > 0.05 else CLEAR


def _of_rgb(red: str, green: str, blue: str) -> Color:
    return round(255 * _ratio(red, 255)), round(255 * _ratio(green, 255)), round(255 * _ratio(blue, 255))


def _of_hsl(hue: str, saturation: str, lightness: str) -> Color:
    light, rich = (min(1.0, max(0.0, _ratio(part, 100))) for part in (lightness, saturation))
    red, green, blue = hls_to_rgb(float(hue.removesuffix("deg")) / 360 % 1.0, light, rich)
    return round(255 * red), round(255 * green), round(255 * blue)


def _ratio(part: str, whole: int) -> float:
    return float(part[:-1]) / 100 if part.endswith("%") else float(part) / whole
