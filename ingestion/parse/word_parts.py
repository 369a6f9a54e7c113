"""The parts of a Word document beside its text: notes, headers and comments; styles, numbering, and the page itself."""

from collections.abc import Iterator

import docx
from docx.opc.part import Part
from lxml import etree

from ingestion.parse.archive import parse_xml
from ingestion.parse.colors import WHITE
from ingestion.parse.word_drawn import Drawn
from ingestion.parse.word_look import Looks
from ingestion.parse.word_tree import is_on, w

_BESIDE = ("footnotes", "endnotes", "header", "footer", "comments")
_EDGES = ("header", "footer")


def beside(document: "docx.document.Document") -> Iterator[tuple[str, Part]]:
    """Notes, headers, footers and comments, in this order."""
    found: dict[tuple[int, str], Part] = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rsplit("/", 1)[-1]
        if kind in _BESIDE and not relation.is_external:
            found[_BESIDE.index(kind), str(relation.target_part.partname)] = relation.target_part
    for order, name in sorted(found):
        yield _BESIDE[order], found[order, name]


def looks(document: "docx.document.Document") -> Looks:
    def edges() -> Iterator[etree._Element]:
        return (parse_xml(part.blob) for kind, part in beside(document) if kind in _EDGES)

    background = document.element.find(w("background"))
    settings = _root(document, "settings")
    shown = settings is not None and is_on(settings.find(w("displayBackgroundShape")))
    paper = WHITE if background is None or not shown else str(background.get(w("color"), ""))
    return Looks(_root(document, "styles"), paper, Drawn(document.element.body, edges))


def numbering(document: "docx.document.Document") -> etree._Element | None:
    return _root(document, "numbering")


def _root(document: "docx.document.Document", kind: str) -> etree._Element | None:
    """The root of a part, None where there is none: the library would read its own template from disk instead."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            return parse_xml(relation.target_part.blob)
    return None
