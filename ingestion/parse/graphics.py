"""What charts and SmartArt say in Office documents: parts of their own, which the page only points to."""

from collections.abc import Iterator
from itertools import islice

from lxml import etree

from ingestion.parse.archive import parse_xml
from ingestion.parse.cleaning import one_line, refuse_markers
from ingestion.parse.naming import short_name
from ingestion.parse.pieces import Pieces

POINTS_MAX = 10_000
"""Of one chart, all its series together; a chart with more is a picture of a table that stands elsewhere."""
_SERIES_MAX = 100
_LEVELS_MAX = 10
"""Of the categories of one chart."""
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
CHART, DIAGRAM = f"{_C}chart", f"{_DIAGRAM}relIds"
_CONNECTIONS = ("parTrans", "sibTrans", "pres")


def target(element: etree._Element) -> str:
    """The relation by which a chart or a diagram on a page names its part."""
    return str(element.get(f"{_R}id") or element.get(f"{_R}dm") or "")


class Graphics:
    """Those of one document: each part is read once, however many elements point to it."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._known: dict[tuple[object, bool], list[str]] = {}

    def said(self, element: etree._Element, part: object) -> list[str]:
        """The lines of the chart or diagram that an element of this part points to; of one that is not there, a note.

        Raises:
            Refused: bad_marker. In which order they are seen, nobody knows.
        """
        relation = getattr(part, "rels", {}).get(target(element))
        if relation is None or relation.is_external:
            self._pieces.note("a chart or diagram is missing in the file")
            return []
        is_chart = element.tag == CHART
        key = relation.target_part, is_chart
        if key not in self._known:
            root = parse_xml(relation.target_part.blob)
            lines = _chart(root, self._pieces) if is_chart else _diagram(root)
            self._known[key] = [line for line in lines if line.strip()]
            refuse_markers(self._known[key], "in a chart or a diagram")
        return self._known[key]


def titles(root: etree._Element) -> Iterator[str]:
    """Of a chart and its axes."""
    for title in islice(root.iter(f"{_C}title"), _SERIES_MAX):
        yield " ".join(str(one.text or "") for one in title.iter(f"{_A}t", f"{_C}v"))


def _chart(root: etree._Element, pieces: Pieces) -> Iterator[str]:
    """Its titles, then the values that were stored when it was drawn, by category."""
    yield from titles(root)
    rows: dict[str, list[str]] = {}
    left = POINTS_MAX
    for number, series in enumerate(islice(root.iter(f"{_C}ser"), _SERIES_MAX), 1):
        name = short_name(" ".join(_points(series, "tx").values())) or f"Series {number}"
        categories = _points(series, "cat") or _points(series, "xVal")
        for place, shown in islice((_points(series, "val") or _points(series, "yVal")).items(), left):
            left -= 1
            rows.setdefault(categories.get(place, f"Point {place}"), []).append(f"{name}: {one_line(shown)}")
    if left <= 0:
        pieces.note(f"a chart was read up to its {POINTS_MAX}th value")
    for category, values in rows.items():
        yield "; ".join((one_line(category), *values))


def _points(series: etree._Element, what: str) -> dict[str, str]:
    """Values by their place."""
    found: dict[str, list[str]] = {}
    points = (point for of in series.iterchildren(f"{_C}{what}") for point in of.iter(f"{_C}pt"))
    for point in islice(points, POINTS_MAX * _LEVELS_MAX):
        found.setdefault(str(point.get("idx", "")), []).append(str(point.findtext(f"{_C}v") or ""))
    # Categories of several levels: the nearest comes first.
    return {place: " ".join(reversed(texts)) for place, texts in found.items()}


def _diagram(root: etree._Element) -> Iterator[str]:
    for point in root.iter(f"{_DIAGRAM}pt"):
        if point.get("type") not in _CONNECTIONS:
            for paragraph in point.iter(f"{_A}p"):
                yield "".join(str(one.text or "") for one in paragraph.iter(f"{_A}t"))
