"""What belongs to a sheet of a workbook and stands in parts of their own: tables, comments, text boxes, charts."""

import posixpath
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from lxml import etree
from openpyxl.utils import range_boundaries

from ingestion.parse import charts, sheet_margins
from ingestion.parse.archive import parse_xml
from ingestion.parse.cleaning import refuse_markers

Bounds = tuple[int, int, int, int]
"""The first column and row, and the last."""
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_WORKBOOK = "xl/workbook.xml"
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

    def printed(self, sheet: str) -> Drawn:
        """What is printed above and below a sheet.

        Raises:
            Refused: bad_marker, in any of it.
        """
        held = sheet_margins.margin(self._archive.read(sheet))
        if not held:
            return Drawn()
        refuse_markers([sheet_margins.plain(held)], "in what is printed on each page")
        printed = sheet_margins.lines(held, printed=True)
        kept = sheet_margins.lines(held, printed=False)
        return Drawn(tuple(printed), tuple(line for line in kept if line not in printed))

    def chart_sheets(self) -> Iterator[tuple[str, bool, str]]:
        """The sheets that are one chart and nothing else: title, whether it is visible, and its part."""
        of = {relation: target for relation, kind, target in self._relations(_WORKBOOK) if kind.endswith("/chartsheet")}
        if of:
            for sheet in parse_xml(self._archive.read(_WORKBOOK)).iter("{*}sheet"):
                relation = next((value for name, value in sheet.items() if str(name).endswith("}id")), "")
                if relation in of:
                    yield str(sheet.get("name", "")), sheet.get("state", "visible") == "visible", of[relation]

    def _each(self, part: str, read: Callable[[etree._Element], T], *kinds: str) -> Iterator[T]:
        for target in self._related(part, *kinds):
            yield self._once(target, read)

    def _once(self, part: str, read: Callable[[etree._Element], T]) -> T:
        if (read, part) not in self._known:
            self._known[read, part] = read(parse_xml(self._archive.read(part)))
        return self._known[read, part]  # type: ignore[return-value] # what this reader returned

    def _related(self, part: str, *kinds: str) -> list[str]:
        """The names of what belongs to a part and is of these kinds, each once."""
        return list(dict.fromkeys(target for _, kind, target in self._relations(part) if kind.endswith(kinds)))

    def _relations(self, part: str) -> Iterator[tuple[str, str, str]]:
        """Name, kind and target of each that leads to a part of this workbook."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._archive.NameToInfo:
            return
        for relation in parse_xml(self._archive.read(relations)).iter(_RELATIONS):
            target = posixpath.normpath(posixpath.join(folder, relation.get("Target", ""))).lstrip("/")
            if target in self._archive.NameToInfo:
                yield str(relation.get("Id", "")), str(relation.get("Type", "")), target


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
