"""What charts say in Office documents: titles, then the values that were stored when they were drawn, by category.

There are two kinds: those of always, and those that came in 2016 (waterfall, funnel, histogram).
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from lxml import etree
from openpyxl.styles.numbers import is_date_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from ingestion.parse.cleaning import one_line
from ingestion.parse.naming import short_name
from ingestion.parse.numbers import shown
from ingestion.parse.pieces import Pieces

POINTS_MAX = 10_000
"""Of one chart, all its series together; a chart with more is a picture of a table that stands elsewhere."""
_SERIES_MAX = 100
_LEVELS_MAX = 10
"""Of the categories of one chart."""
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_CX = "{http://schemas.microsoft.com/office/drawing/2014/chartex}"
CHART, NEW_CHART = f"{_C}chart", f"{_CX}chart"

Values = Mapping[str, str]
"""Texts by their place."""


def titles(root: etree._Element) -> Iterator[str]:
    """Of a chart and its axes."""
    for title in islice(root.iter(f"{_C}title", f"{_CX}title"), _SERIES_MAX):
        yield " ".join(str(one.text or "") for one in title.iter(f"{_A}t", f"{_C}v", f"{_CX}v"))


def lines(root: etree._Element, pieces: Pieces) -> Iterator[str]:
    yield from titles(root)
    new = root.tag.startswith(_CX)
    rows: dict[str, list[str]] = {}
    left = POINTS_MAX
    for number, (name, categories, values) in enumerate(_new_series(root) if new else _series(root), 1):
        name = short_name(name) or f"Series {number}"
        for place, value in islice(values.items(), left):
            left -= 1
            rows.setdefault(categories.get(place, f"Point {place}"), []).append(f"{name}: {one_line(value)}")
    if left <= 0:
        pieces.note(f"a chart was read up to its {POINTS_MAX}th value")
    for category, texts in rows.items():
        yield "; ".join((one_line(category), *texts))


def _series(root: etree._Element) -> Iterator[tuple[str, Values, Values]]:
    """Name, categories and values of each."""
    mac = root.find(f"{_C}date1904")
    epoch = CALENDAR_WINDOWS_1900 if mac is None or mac.get("val") in ("0", "false") else CALENDAR_MAC_1904
    for series in islice(root.iter(f"{_C}ser"), _SERIES_MAX):

        def points(*names: str, series: etree._Element = series) -> Values:
            held = (of for name in names for of in series.iterchildren(f"{_C}{name}"))
            return next((found for found in (_joined(_points(of, epoch)) for of in held) if found), {})

        labels = dict(_labels(series))
        values = points("val", "yVal")
        yield (
            " ".join(points("tx").values()),
            points("cat", "xVal"),
            {place: f"{value} ({labels[place]})" if place in labels else value for place, value in values.items()},
        )


def _points(of: etree._Element, epoch: object) -> Iterator[tuple[str, str]]:
    """Texts as a sheet shows them, with their place; of categories of several levels the nearest comes first."""
    given = next((str(one.text or "") for one in of.iter(f"{_C}formatCode")), "")
    for point in islice(of.iter(f"{_C}pt"), POINTS_MAX * _LEVELS_MAX):
        number_format = str(point.get("formatCode", given))
        yield str(point.get("idx", "")), _text(str(point.findtext(f"{_C}v") or ""), number_format, epoch)


def _labels(series: etree._Element) -> Iterator[tuple[str, str]]:
    """What an author wrote to single points."""
    for label in islice(series.iterfind(f"{_C}dLbls/{_C}dLbl"), POINTS_MAX):
        place = label.find(f"{_C}idx")
        text = one_line("".join(str(one.text or "") for one in label.iterfind(f"{_C}tx//{_A}t")))
        if place is not None and text:
            yield str(place.get("val", "")), text


def _new_series(root: etree._Element) -> Iterator[tuple[str, Values, Values]]:
    held = {str(data.get("id", "")): data for data in islice(root.iter(f"{_CX}data"), _SERIES_MAX)}
    for series in islice(root.iter(f"{_CX}series"), _SERIES_MAX):
        named = series.find(f"{_CX}dataId")
        data = held.get("" if named is None else str(named.get("val", "")))
        if data is not None:
            name = " ".join(str(one.text or "") for one in series.iterfind(f"{_CX}tx//{_CX}v"))
            yield name, _joined(_new_points(data, "strDim")), _joined(_new_points(data, "numDim"))


def _new_points(data: etree._Element, kind: str) -> Iterator[tuple[str, str]]:
    for level in islice(data.iterfind(f"{_CX}{kind}/{_CX}lvl"), _LEVELS_MAX):
        number_format = str(level.get("formatCode", ""))
        for point in islice(level.iterchildren(f"{_CX}pt"), POINTS_MAX):
            yield str(point.get("idx", "")), _text(str(point.text or ""), number_format, CALENDAR_WINDOWS_1900)


def _joined(points: Iterable[tuple[str, str]]) -> Values:
    found: dict[str, list[str]] = {}
    for place, text in points:
        found.setdefault(place, []).append(text)
    return {place: " ".join(reversed(texts)) for place, texts in found.items()}


def _text(stored: str, number_format: str, epoch: object) -> str:
    """A stored value as it is shown; what has no format is text."""
    try:
        value = float(stored) if number_format else None
        if value is None or not abs(value) < 1e15:
            return stored
        if is_date_format(number_format):
            return shown(from_excel(value, epoch=epoch), number_format)
        return shown(int(value) if value.is_integer() else value, number_format)
    except (ValueError, OverflowError, TypeError):
        return stored
