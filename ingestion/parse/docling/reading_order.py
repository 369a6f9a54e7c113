"""The pieces of a DoclingDocument, in its reading order. What it says of itself is checked on the way."""

from collections.abc import Iterable, Mapping, Sequence

from ingestion.parse.docling.answers import Document, Form, Item, Nonsense, Picture, Ref, Table, Text
from ingestion.parse.docling.tables import add_table
from ingestion.parse.document import DEPTH_MAX
from ingestion.parse.pieces import Pieces

_BESIDE = frozenset(("page_header", "page_footer", "footnote"))
_HEADINGS = frozenset(("section_header", "field_heading"))
_TICKED: Mapping[str, str] = {"checkbox_selected": "[x] ", "checkbox_unselected": "[ ] "}


def read(document: Document, pieces: Pieces) -> None:
    """Append what the document holds.

    Raises:
        Nonsense: a reference that leads nowhere, or to an item that was read already; tables that are none.
        Refused: more text than allowed, or a marker where none may be.
    """
    _Reader(document, pieces).below(document.body, depth=0)


class _Reader:
    def __init__(self, document: Document, pieces: Pieces) -> None:
        self._pieces = pieces
        self._read: set[tuple[str, int]] = set()
        self._items: Mapping[str, Sequence[Item]] = {
            "texts": document.texts,
            "tables": document.tables,
            "pictures": document.pictures,
            "groups": document.groups,
            "key_value_items": document.key_value_items,
            "form_items": document.form_items,
            "field_regions": document.field_regions,
            "field_items": document.field_items,
        }

    def below(self, item: Item, depth: int) -> None:
        """Append an item's children. A caption stands among them, and was read before what it is the caption of."""
        if depth > DEPTH_MAX:
            raise Nonsense("it is nested too deep")
        captions = {ref.place for ref in _captions(item)}
        for ref in item.children:
            if ref.place not in captions:
                self._one(ref, depth)

    def _one(self, ref: Ref, depth: int) -> None:
        kind, number = ref.place
        if kind not in self._items or number >= len(self._items[kind]):
            raise Nonsense("a reference leads nowhere")
        # A tree has one way to each item: another one is a circle, or text that would be read twice.
        if ref.place in self._read:
            raise Nonsense("an item stands in two places")
        self._read.add(ref.place)
        item = self._items[kind][number]
        for caption in _captions(item):
            self._one(caption, depth + 1)
        self._itself(item)
        self.below(item, depth + 1)

    def _itself(self, item: Item) -> None:
        if isinstance(item, Text):
            self._text(item)
        elif isinstance(item, Table):
            add_table(item.data, self._pieces)
        elif isinstance(item, Form):
            for cell in item.graph.cells:
                self._pieces.add(cell.text)

    def _text(self, item: Text) -> None:
        text = item.text or item.orig
        if item.label in _BESIDE or item.layer != "body":
            self._pieces.add(text, beside=True)
        elif item.label == "title":
            self._pieces.add(text, heading=1)
        elif item.label in _HEADINGS:
            self._pieces.add(text, heading=item.level + 1)
        elif item.label == "list_item" and text.strip():
            self._pieces.add(f"{item.marker or '-'} {text}")
        else:
            self._pieces.add(_TICKED.get(item.label, "") + text, verbatim=item.label == "code")


def _captions(item: Item) -> Iterable[Ref]:
    return item.captions if isinstance(item, Table | Picture) else ()
