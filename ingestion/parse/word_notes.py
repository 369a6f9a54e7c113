"""Which footnotes and endnotes a Word document shows: those that something refers to which is itself seen."""

from lxml import etree

from ingestion.parse.word_look import Looks
from ingestion.parse.word_tables import is_deleted, is_unseen
from ingestion.parse.word_text import hidden
from ingestion.parse.word_tree import w
from rag.hidden_content import HiddenKind

NOTES = frozenset((w("footnote"), w("endnote")))
_REFERENCES = {w(f"{name}Reference"): w(name) for name in ("footnote", "endnote")}


class Notes:
    """Those of one document."""

    def __init__(self, body: etree._Element, looks: Looks) -> None:
        self._found: dict[tuple[str, str], HiddenKind | None] = {}
        for reference in body.iter(*_REFERENCES):
            key = _REFERENCES[reference.tag], str(reference.get(w("id"), ""))
            if self._found.get(key, HiddenKind.INVISIBLE_TEXT) is not None:  # seen once, it is shown
                self._found[key] = _hidden(reference, looks)

    def hidden(self, note: etree._Element) -> HiddenKind | None:
        """How a note is hidden; None for one that is shown, and for the lines that part notes from the text."""
        if note.get(w("type"), "normal") != "normal":
            return None
        return self._found.get((note.tag, str(note.get(w("id"), ""))), HiddenKind.INVISIBLE_TEXT)


def _hidden(reference: etree._Element, looks: Looks) -> HiddenKind | None:
    for around in reference.iterancestors():
        if around.tag == w("tr"):
            if is_deleted(around):
                return HiddenKind.TRACKED_DELETION
            if is_unseen(around):
                return HiddenKind.INVISIBLE_TEXT
        elif kind := hidden(around, looks):
            return kind
    return None
