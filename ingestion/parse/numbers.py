"""Values of cells as a spreadsheet shows them: dates, percentages, decimals and thousands. Standard library only."""

import re
from datetime import date, datetime, time, timedelta

_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_PLACES_MAX = 12
_CURRENCY = re.compile(r"\[\$([^\]-]{1,4})|([$€£¥])")


def shown(value: object, number_format: str) -> str:
    """A cell's value as text. Dates are ISO 8601; of a number's format, percent, decimals and thousands are kept."""
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


def _number(value: int | float, number_format: str) -> str:
    positive = number_format.split(";")[0]
    pattern = _QUOTED.sub("", positive)
    if "%" not in pattern and not re.search(r"0\.0|#,#|0,0|^0$", pattern):
        return _general(value)
    decimals = re.search(r"\.([0#?]+)", pattern)
    places = min(len(decimals.group(1)), _PLACES_MAX) if decimals else 0
    grouping = "," if re.search(r"[#0],[#0]", pattern) else ""
    percent = "%" in pattern
    number = format(value * 100 if percent else value, f"{grouping}.{places}f")
    currency = _CURRENCY.search(positive)
    unit = "%" if percent else f" {currency.group(1) or currency.group(2)}" if currency else ""
    return number + unit


def _general(value: int | float) -> str:
    """Up to fifteen digits, as spreadsheets keep them: 0.1 + 0.2 is 0.3 on the screen."""
    return str(value) if isinstance(value, int) else format(value, ".15g")
