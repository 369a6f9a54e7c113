"""What charts and SmartArt say in Office documents: parts of their own, which the page only points to."""

from collections.abc import Iterator

from lxml import etree

from ingestion.parse import charts
from ingestion.parse.archive import parse_xml
from ingestion.parse.charts import CHART, NEW_CHART
from ingestion.parse.cleaning import refuse_markers
from ingestion.parse.pieces import Pieces

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
DIAGRAM = f"{_DIAGRAM}relIds"
GRAPHICS = (CHART, NEW_CHART, DIAGRAM)
"""The elements by which a page points to them."""
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
        is_chart = element.tag in (CHART, NEW_CHART)
        key = relation.target_part, is_chart
        if key not in self._known:
            root = parse_xml(relation.target_part.blob)
            lines = charts.lines(root, self._pieces) if is_chart else _diagram(root)
            self._known[key] = [line for line in lines if line.strip()]
            refuse_markers(self._known[key], "in a chart or a diagram")
        return self._known[key]


def _diagram(root: etree._Element) -> Iterator[str]:
    for point in root.iter(f"{_DIAGRAM}pt"):
        if point.get("type") not in _CONNECTIONS:
            for paragraph in point.iter(f"{_A}p"):
                yield "".join(str(one.text or "") for one in paragraph.iter(f"{_A}t"))
