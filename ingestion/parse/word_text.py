"""The text of one paragraph of a Word document: what a reader sees of it, and what stands apart from it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from lxml import etree

from ingestion.parse import graphics
from ingestion.parse.equations import AROUND, M
from ingestion.parse.office_markers import refuse_apart, refuse_torn
from ingestion.parse.pieces import Pieces
from ingestion.parse.word_drawn import ANCHOR, INLINE
from ingestion.parse.word_look import Looks
from ingestion.parse.word_tree import is_on, stated, value, w
from rag.hidden_content import HiddenKind

DELETED = frozenset((w("del"), w("moveFrom")))
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_V = "{urn:schemas-microsoft-com:vml}"
_DRAWN = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_SPACE = {w("tab"): "\t", w("br"): "\n", w("cr"): "\n", w("noBreakHyphen"): "-"}
_RUNS = (w("r"), f"{M}r")
_TEXTS = (w("t"), f"{M}t")
_WORD_ART = f"{_V}textpath"
_FIELDS = (w("ddList"), w("checkBox"))
_LEAVES = frozenset((*_TEXTS, *_SPACE, *_FIELDS, w("sym"), _WORD_ART))
_APART = (w("txbxContent"), w("tbl"), *graphics.GRAPHICS)
_PICTURES = ("{http://schemas.openxmlformats.org/drawingml/2006/picture}pic", f"{_V}imagedata")
_SYMBOLS = {
    **dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=False)),
    **dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=False)),
    **{
        0xA3: "≤",
        0xA5: "∞",
        0xAB: "↔",
        0xAC: "←",
        0xAE: "→",
        0xB0: "°",
        0xB1: "±",
        0xB3: "≥",
        0xB4: "\u00d7",
        0xB7: "•",
    },
    **{0xB8: "÷", 0xB9: "≠", 0xBB: "≈", 0xD5: "∏", 0xD6: "√", 0xDE: "⇒", 0xE5: "∑", 0xF2: "∫"},
}
"""The font Symbol, by its codes."""
_WINGDINGS = {
    0x6F: "☐",
    0xA8: "☐",
    0xFC: "✓",
    0xFB: "✗",
    0xFD: "☒",
    0xFE: "☑",
    0xE0: "→",
    0xF0: "⇨",
    0xA7: "▪",
    0xD8: "➢",
}
_SHAPES = frozenset(f"{_V}{name}" for name in ("shape", "rect", "roundrect", "oval", "line", "group", "textbox"))
_ON = ("1", "true", "on")
_ENTRIES_MAX = 1_000


@dataclass(slots=True)
class Read:
    """Text, and what is to be read after it: boxes, tables within it, charts and diagrams. `pictures` are not read."""

    text: str = field(default="", repr=False)
    apart: list[etree._Element] = field(default_factory=list, repr=False)
    pictures: int = 0
    unseen: bool = False
    """Whether some of it was hidden or deleted."""


def read(root: etree._Element, looks: Looks, pieces: Pieces) -> Read:
    """Read a paragraph, or any element as if it were one. What a reader does not see is counted.

    `Paragraph.text` leaves out what was inserted with change tracking on.

    Raises:
        Refused: bad_marker, for one that is hidden in part, or beside what is read after the paragraph.
    """
    found = Read()
    parts: list[tuple[str, bool]] = []  # and whether it is seen
    unseen: dict[HiddenKind, list[str]] = {}
    stack: list[etree._Element | str] = [root]
    beside = root.tag == w("p") and looks.lies_beside(root)
    while stack:
        element = stack.pop()
        if isinstance(element, str):
            parts.append((element, True))
            continue
        kind = HiddenKind.INVISIBLE_TEXT if beside and element.tag in _LEAVES else hidden(element, looks)
        if kind is not None:
            left_out = "".join(all_text(element))
            unseen.setdefault(kind, []).append(left_out)
            parts.append((left_out, False))
        elif element.tag in _APART and element is not root:
            found.apart.append(element)
        elif element.tag in _LEAVES:
            parts.append((_leaf(element), True))
        elif element.tag != _FALLBACK:
            found.pictures += element.tag in _PICTURES
            before, after = AROUND.get(element.tag, ("\n" * (element.tag == w("p") and element is not root), ""))
            parts.append((before, True))
            stack.append(after)
            stack.extend(reversed(element))
    for kind, texts in unseen.items():
        pieces.add_hidden(kind, "".join(texts))
    found.text = "".join(text for text, seen in parts if seen)
    found.unseen = bool(unseen)
    if unseen:
        refuse_torn("".join(text for text, _ in parts), found.text)
    if found.apart:
        refuse_apart([found.text], ("".join(all_text(one)) for one in found.apart))
    return found


def all_text(root: etree._Element) -> Iterator[str]:
    for element in root.iter(*_TEXTS, *_FIELDS, w("delText"), w("p"), _WORD_ART):
        yield " " if element.tag == w("p") else _leaf(element)


def _leaf(element: etree._Element) -> str:
    if element.tag == _WORD_ART:
        return f"\n{element.get('string', '')}\n"
    if element.tag in _FIELDS:
        return _chosen(element)
    return _symbol(element) if element.tag == w("sym") else _SPACE.get(element.tag) or element.text or ""


def _chosen(field_of: etree._Element) -> str:
    """What a reader sees of a field of an old form: the entry that is chosen, or a box with its tick."""
    if field_of.tag == w("checkBox"):
        stated_by = [one for one in map(field_of.find, (w("checked"), w("default"))) if one is not None]
        return "☒" if stated_by and is_on(stated_by[0]) else "☐"
    entries = [value(entry) for entry in islice(field_of.iterchildren(w("listEntry")), _ENTRIES_MAX)]
    given = (value(field_of.find(w(name))) for name in ("result", "default"))
    chosen = next((int(one) for one in given if re.fullmatch(r"\d{1,3}", one)), 0)
    return entries[chosen] if chosen < len(entries) else ""


def hidden(element: etree._Element, looks: Looks) -> HiddenKind | None:
    """How an element by itself hides what is in it."""
    if element.tag in DELETED:
        return HiddenKind.TRACKED_DELETION
    if element.tag in _RUNS:
        return HiddenKind.INVISIBLE_TEXT if looks.unseen(element) else None
    if element.tag in (ANCHOR, INLINE):
        described = element.find(f"{_DRAWN}docPr")
        switched_off = described is not None and described.get("hidden") in _ON
        return HiddenKind.INVISIBLE_TEXT if switched_off or looks.drawn.beside(element) else None
    if element.tag == w("p"):
        return HiddenKind.INVISIBLE_TEXT if looks.drawn.frame_beside(stated(element, "p", "framePr")) else None
    if element.tag in _SHAPES and "visibility:hidden" in str(element.get("style", "")).replace(" ", ""):
        return HiddenKind.INVISIBLE_TEXT
    return None


def _symbol(element: etree._Element) -> str:
    """A sign that is stored as a place in a font; nothing for one that is not known."""
    try:
        code = int(str(element.get(w("char"), "")), 16)
    except ValueError:
        return ""
    font = str(element.get(w("font"), "")).lower()
    if font == "symbol":
        return _SYMBOLS.get(code & 0xFF, chr(code & 0xFF) if 0x20 <= code & 0xFF < 0x7F else "")
    if font.startswith("wingdings"):
        return _WINGDINGS.get(code & 0xFF, "")
    return chr(code) if 0x20 <= code < 0xD800 else ""
