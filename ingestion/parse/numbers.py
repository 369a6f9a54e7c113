"""Values of cells as a spreadsheet shows them: dates, shares, decimals, thousands, units. Standard library only."""

import math
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import islice

_PLACES_MAX = 12
_ZEROS_MAX = 20
_EXACT = 1e15
"""Smaller numbers keep the digits that a format shows."""
_UNIT_CHARS_MAX = 40
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<currency>[^\]-]{0,4})[^\]]*\]|\[[^\]]*\]|_.|\*.'
    r"|(?P<general>General)|(?P<digits>[0#?][0#?.,]*|\.[0#?]+)|(?P<percent>%)|(?P<scale>,+)|(?P<sign>[€$£¥])"
    r"|(?P<plain>[-+/() :])|(?P<other>.)",
    re.I | re.S,
)
_CONDITION = re.compile(r"\[\s*(<=|>=|<>|<|>|=)\s*(-?\d{1,15}(?:\.\d{1,15})?)\s*\]")
_HOLDS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
_SIGNS = ("-", "(")


def shown(value: object, number_format: str) -> str:
    """A cell's value as text. Dates are ISO 8601; of a number's format, all but colours and widths is kept."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        plain_day = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if plain_day else value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat("seconds")
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        return _number(value, number_format)
    return str(value)


@dataclass(slots=True)
class _Format:
    """One section of a format: what stands around the digits, and how they are written."""

    digits: str = ""
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    unit: str = ""
    percent: bool = False
    general: bool = False
    grouped: bool = False
    known: bool = True
    colored: bool = False
    condition: tuple[str, float] | None = None

    def holds(self, value: int | float) -> bool:
        """Whether its condition does; without one, it is for what no other is for."""
        return self.condition is None or bool(_HOLDS[self.condition[0]](value, self.condition[1]))

    @property
    def words(self) -> str:
        return "".join("".join((*self.before, *self.after)).split())


def _number(value: int | float, number_format: str) -> str:
    parsed, signed = _section(value, number_format)
    if not parsed.known or not math.isfinite(value):
        return _general(value)
    if not parsed.digits and not parsed.general:
        # Words instead of a number, as a dash for zero: they tell less than the number does.
        return _general(value)
    number = _general(signed) if parsed.general else _written(signed, parsed)
    text = "".join((*parsed.before, number, *parsed.after, "%" * parsed.percent))
    return " ".join(f"{text} {parsed.unit}".split())


def _section(value: int | float, number_format: str) -> tuple[_Format, int | float]:
    """The section of a format that is for a value, and the value with the sign that it has to be given."""
    positive, negative, zero = _formats(number_format)
    if positive.condition or (negative and negative.condition):
        given = sorted((one for one in (positive, negative, zero) if one), key=lambda one: one.condition is None)
        found = next((one for one in given if one.holds(value)), _Format(known=False))
        return found, abs(value) if found.words.startswith(_SIGNS) else value
    if value < 0 and negative:
        # A colour is lost here: where nothing else says that a number is negative, its sign does.
        only_colored = negative.colored and negative.words == positive.words
        return negative, value if only_colored else abs(value)
    return (zero if value == 0 and zero else positive), value


@lru_cache(maxsize=512)
def _formats(number_format: str) -> tuple[_Format, _Format | None, _Format | None]:
    """For positive numbers, negative ones and zero, or as their conditions say; None where a format does not say."""
    sections = [*islice(_sections(number_format), 3), "", ""]
    positive, *others = (_parsed(section) for section in sections[:3])
    negative, zero = (
        parsed if section.strip() else None for parsed, section in zip(others, sections[1:], strict=False)
    )
    return positive, negative, zero


def _sections(number_format: str) -> Iterator[str]:
    """A semicolon in quotes parts nothing."""
    start = 0
    for match in re.finditer(r'"[^"]*"|\\.|(;)', number_format):
        if match.group(1):
            yield number_format[start : match.start()]
            start = match.end()
    yield number_format[start:]


def _parsed(section: str) -> _Format:
    condition = _CONDITION.search(section)
    parsed = _Format(
        colored=re.search(r"\[[a-z]+ ?\d*\]", section, re.I) is not None,
        condition=(condition[1], float(condition[2])) if condition else None,
    )
    for match in _TOKEN.finditer(section):
        kind, text = match.lastgroup, match.group(match.lastgroup) if match.lastgroup else ""
        if kind in ("quoted", "escaped", "plain"):
            (parsed.after if parsed.digits or parsed.general else parsed.before).append(text[:_UNIT_CHARS_MAX])
        elif kind in ("currency", "sign"):
            parsed.unit = parsed.unit or text
        elif kind == "percent":
            parsed.percent = True
        elif kind == "general":
            parsed.general = True
        elif kind in ("digits", "scale") and not parsed.after:
            parsed.digits += text
        elif kind == "digits" and not set(f"{parsed.digits}{text}") & set(".,") and "/" not in parsed.after:
            parsed.digits += "".join((*parsed.after, text))  # as of telephone numbers and bank codes
            parsed.after.clear()
            parsed.grouped = True
        elif kind is not None:
            # A date, a fraction, an exponent: not known here.
            parsed.known = False
    return parsed


def _written(value: int | float, parsed: _Format) -> str:
    if parsed.grouped:
        return _in_groups(str(value) if isinstance(value, int) else format(value, ".0f"), parsed.digits)
    pattern = parsed.digits.rstrip(",")
    thousands = min(len(parsed.digits) - len(pattern), 4)
    value = value * 100 if parsed.percent else value
    value = value / 1000**thousands if thousands else value
    whole, _, decimals = pattern.partition(".")
    places = min(len(decimals), _PLACES_MAX)
    grouping = "," if "," in whole else ""
    # Formatted as a fraction, a long whole number would lose its last digits.
    whole_number = isinstance(value, int) and not places
    number = format(value, f"{grouping}d") if whole_number else format(_rounded(value, places), f"{grouping}.{places}f")
    for _ in range(len(decimals) - len(decimals.rstrip("#?"))):
        number = number[:-1] if number.endswith("0") and "." in number else number
    number = number.rstrip(".") if "." in number else number
    zeros = min(whole.count("0"), _ZEROS_MAX)
    if "," in whole or not zeros:
        return number
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    whole_part, point, rest = digits.partition(".")
    return f"{sign}{whole_part.rjust(zeros, '0')}{point}{rest}"


def _rounded(value: int | float, places: int) -> Decimal:
    """As spreadsheets do it: halves away from zero, of what the value is to fifteen digits."""
    if not abs(value) < _EXACT:
        return Decimal(value)
    return Decimal(_general(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _in_groups(number: str, pattern: str) -> str:
    """Digits put into their places from the right; what is left stands before them."""
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    digits = digits.rjust(min(pattern.count("0"), _ZEROS_MAX), "0")
    placed: list[str] = []
    for place in reversed(pattern):
        if place not in "0#?":
            placed.append(place)
        elif digits:
            placed.append(digits[-1])
            digits = digits[:-1]
    return sign + digits + "".join(reversed(placed)).strip("-/() :" if not digits else " ")


def _general(value: int | float) -> str:
    """Up to fifteen digits, as spreadsheets keep them: 0.1 + 0.2 is 0.3 on the screen."""
    return str(value) if isinstance(value, int) else format(value, ".15g")
