"""The parts of a Word document beside its text: notes, headers and comments; styles, numbering, and the page itself."""

from collections.abc import Iterator
from typing import NamedTuple

import docx
from docx.opc.part import Part, XmlPart
from docx.oxml.ns import qn
from lxml import etree

from ingestion.parse.archive import parse_xml
from ingestion.parse.colors import WHITE
from ingestion.parse.word_drawn import Drawn
from ingestion.parse.word_look import Looks
from ingestion.parse.word_tree import is_on, w

EDGES = ("header", "footer")
_R_ID = qn("r:id")
_BESIDE = ("footnotes", "endnotes", *EDGES, "comments")


class Beside(NamedTuple):
    """A part beside the text; `shown` is whether any page has it."""

    kind: str
    part: Part
    shown: bool


def beside(document: "docx.document.Document") -> list[Beside]:
    """Notes, headers, footers and comments, in this order, of each kind first those that are shown."""
    shown = _edges_shown(document)
    found: dict[str, Beside] = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rsplit("/", 1)[-1]
        if kind in _BESIDE and not relation.is_external:
            name = str(relation.target_part.partname)
            of_page = kind not in EDGES or relation.rId in shown or (name in found and found[name].shown)
            found[name] = Beside(kind, relation.target_part, of_page)
    order = sorted(found, key=lambda name: (_BESIDE.index(found[name].kind), not found[name].shown, name))
    return [found[name] for name in order]


def _edges_shown(document: "docx.document.Document") -> set[str]:
    """The relations of headers and footers that pages have: others are kept when they are switched off.

    A section without one of its own has that of the section before it.
    """
    settings = _root(document, "settings")
    even = settings is not None and is_on(settings.find(w("evenAndOddHeaders")))
    shown: set[str] = set()
    now: dict[tuple[str, str], str] = {}
    for section in document.element.body.iter(w("sectPr")):
        if section.getparent().tag == w("sectPrChange"):
            continue  # what a tracked change replaced
        for one in section.iterchildren(w("headerReference"), w("footerReference")):
            now[one.tag, str(one.get(w("type"), "default"))] = str(one.get(_R_ID, ""))
        on = {"default": True, "even": even, "first": is_on(section.find(w("titlePg")))}
        shown.update(of for (_, kind), of in now.items() if on.get(kind, True))
    return shown


def looks(document: "docx.document.Document") -> Looks:
    def edges() -> Iterator[etree._Element]:
        return (parse_xml(one.part.blob) for one in beside(document) if one.kind in EDGES and one.shown)

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
            part = relation.target_part
            return part.element if isinstance(part, XmlPart) else parse_xml(part.blob)
    return None
