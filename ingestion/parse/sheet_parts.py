"""What belongs to a sheet of a workbook and stands in parts of their own: tables, comments, text boxes, charts."""

import html
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from lxml import etree
from openpyxl.utils import range_boundaries

from ingestion.parse import charts
from ingestion.parse.archive import parse_xml
from ingestion.parse.cleaning import refuse_markers

Bounds = tuple[int, int, int, int]
"""The first column and row, and the last."""
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_PAGE_MARGIN = re.compile(rb"<(?:\w+:)?headerFooter\b")
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_ON = ("1", "true")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Texts of what lies over a sheet; `unseen` are those of boxes that are switched off."""

    seen: tuple[str, ...] = field(default=(), repr=False)
    unseen: tuple[str, ...] = field(default=(), repr=False)


class SheetParts:
    """Those of one workbook: each is read once, however many sheets say that it is theirs."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._known: dict[tuple[object, str], object] = {}

    def tables(self, sheet: str) -> list[Bounds]:
        return [bounds for found in self._each(sheet, _table, "/table") for bounds in found]

    def comments(self, sheet: str) -> Iterator[str]:
        for found in self._each(sheet, _comments, "/comments", "/threadedComment"):
            yield from found

    def drawn(self, sheet: str) -> Iterator[Drawn]:
        """
        Raises:
            Refused: bad_marker. What lies over a sheet is before none of its rows and after none.
        """
        for drawing in self._related(sheet, "/drawing"):
            found = [self._once(drawing, _boxes)]
            for titles in self._each(drawing, _titles, "/chart", "/chartEx"):
                found.append(Drawn(tuple(titles)))
            for one in found:
                refuse_markers((*one.seen, *one.unseen), "in a text box or a chart of a sheet")
                yield one

    def refuse_page_margins(self, sheet: str) -> None:
        """
        Raises:
            Refused: bad_marker, in what is printed above or below a sheet.
        """
        raw = self._archive.read(sheet)
        start = _PAGE_MARGIN.search(raw)
        if start:
            margin = raw[start.start() : raw.rfind(b"headerFooter")].decode("utf-8", "replace")
            plain = html.unescape(re.sub(r"<[^<>]*>", "\n", margin))
            # Codes for how it is set may stand between any two letters.
            refuse_markers(
                [re.sub(r'&(?:"[^"&]*"|K[0-9A-F]{6}|K\d\d[+-]\d{3}|\d+|[A-Z])', "", plain)],
                "in what is printed on each page",
            )

    def _each(self, part: str, read: Callable[[etree._Element], T], *kinds: str) -> Iterator[T]:
        for target in self._related(part, *kinds):
            yield self._once(target, read)

    def _once(self, part: str, read: Callable[[etree._Element], T]) -> T:
        if (read, part) not in self._known:
            self._known[read, part] = read(parse_xml(self._archive.read(part)))
        return self._known[read, part]  # type: ignore[return-value] # what this reader returned

    def _related(self, part: str, *kinds: str) -> list[str]:
        """The names of what belongs to a part and is of these kinds, each once."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._archive.NameToInfo:
            return []
        found: dict[str, None] = {}
        for relation in parse_xml(self._archive.read(relations)).iter(_RELATIONS):
            if relation.get("Type", "").endswith(kinds):
                target = posixpath.normpath(posixpath.join(folder, relation.get("Target", ""))).lstrip("/")
                if target in self._archive.NameToInfo:
                    found[target] = None
        return list(found)


def _table(root: etree._Element) -> list[Bounds]:
    bounds = range_boundaries(str(root.get("ref", "")))
    return [] if None in bounds else [bounds]


def _comments(root: etree._Element) -> list[str]:
    texts = (
        "".join(str(one.text or "") for one in comment.iter("{*}t", "{*}text"))
        for comment in root.iter("{*}comment", "{*}threadedComment")
    )
    return [text for text in texts if text.strip()]


def _titles(root: etree._Element) -> list[str]:
    """Of a chart; its values are those of cells."""
    return [title for title in charts.titles(root) if title.strip()]


def _boxes(root: etree._Element) -> Drawn:
    seen: list[str] = []
    unseen: list[str] = []
    for box in root.iter("{*}sp"):
        lines = ("".join(str(one.text or "") for one in line.iter(f"{_A}t")) for line in box.iter(f"{_A}p"))
        text = "\n".join(lines).strip()
        described = box.find("{*}nvSpPr/{*}cNvPr")
        off = described is not None and described.get("hidden") in _ON
        if text:
            (unseen if off else seen).append(text)
    return Drawn(tuple(seen), tuple(unseen))
