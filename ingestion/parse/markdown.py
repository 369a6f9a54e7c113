"""Markdown, read as the page it renders to: so what is hidden there by HTML is hidden here too.

Front matter is text as well: a page does not show it, but whoever opens the file reads it first. So is what only looks
like HTML or like the definition of a link: see `markdown_source`.
"""

import re
from collections.abc import Iterable
from typing import Any

import yaml
from markdown_it import MarkdownIt

from ingestion.parse import html
from ingestion.parse.cleaning import clean, refuse_markers
from ingestion.parse.document import DEPTH_MAX, Head, Reason, Refused
from ingestion.parse.markdown_source import show_unclosed, with_definitions
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
# Its name alone in brackets is a link as good as any.
_MARKER = re.compile(r"\[ ?(?:/ ?ringfence\b|ringfence\s[^\]\[=]*+=)", re.I)
_FRONT_MATTER_CHARS_MAX = 16 * 1024
# Line breaks are kept, as a marker stands on a line of its own and not in a paragraph of its own.
_OPTIONS = {"maxNesting": DEPTH_MAX, "breaks": True, "store_labels": True}
# The space that may follow a mark and those that may stand before the next one are counted together: there is one way.
_QUOTES = re.compile(rf"^ {{0,3}}>(?: {{0,4}}>){{{DEPTH_MAX - 1},}}", re.M)


def extract(data: bytes, pieces: Pieces) -> Head:
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    title, front_matter, text = _parted(text)
    if _QUOTES.search(text):
        raise Refused(Reason.TOO_DEEP)
    parser = MarkdownIt("commonmark", _OPTIONS).enable("table")
    refuse_markers((front_matter,), "in the front matter")
    pieces.add(front_matter, verbatim=True)
    found: dict[str, Any] = {}
    tokens = parser.parse(text, found)
    meant = with_definitions(text, tokens, found) if found.get("references") else text
    if meant != text:
        tokens = parser.parse(meant)
    if any(token.level >= DEPTH_MAX - 1 for token in tokens):
        # The parser stops descending there and would leave text out without a word.
        raise Refused(Reason.TOO_DEEP)
    show_unclosed(tokens)
    begin = pieces.count
    html.collect(parser.renderer.render(tokens, parser.options, {}), pieces)
    if _markers([text]) > _markers(piece.text for piece in pieces.since(begin) if not piece.beside):
        raise Refused(Reason.BAD_MARKER, "taken for a link")
    return Head("text/markdown", title)


def _markers(texts: Iterable[str]) -> int:
    return sum(len(_MARKER.findall(clean(text))) for text in texts)


def _parted(text: str) -> tuple[str, str, str]:
    """Title, front matter and the rest. Between two lines that rule off a part of the page there is no mapping."""
    found = _FRONT_MATTER.match(text)
    if found is None or len(found.group(1)) > _FRONT_MATTER_CHARS_MAX:
        return "", "", text
    try:
        # Nothing is built of the values: an alias stays one, and a tag is a name.
        root = yaml.compose(found.group(1), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return "", "", text
    if not isinstance(root, yaml.MappingNode) or not root.value:
        return "", "", text
    titles = (value.value for key, value in root.value if key.value == "title" and isinstance(value, yaml.ScalarNode))
    return next(titles, ""), found.group(1), text[found.end() :]
